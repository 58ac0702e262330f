"""How the forecasts of the last week held on the days that came.

Belongs here: what was forecast on earlier days against demand known now. Does not: the backtest (`ml/backtest.py`), or what a drift
leads to (`assets/forecast.py` chooses a champion again, `checks.py` shows it).
"""

import datetime as dt
from dataclasses import dataclass

import duckdb

from orchestration.settings import GateSettings
from orchestration.warehouse import has_table

_DAYS = 7
_LEAST_DAYS = 3  # of demand under one champion before anything is said

_HELD = """
with champion as (
    select model_version from forecast.model_versions where as_of_date < $day order by as_of_date desc limit 1
), said as (
    select m.as_of_date, m.sku_id, m.region_id, m.demand_date, m.demand_mean_units
    from forecast.demand_means m
    join forecast.model_versions v using (as_of_date)
    where v.model_version = (select model_version from champion)
        and m.as_of_date >= $day - $days and m.as_of_date < $day and m.demand_date <= $day
), bands as (
    select as_of_date, sku_id, region_id, demand_date,
        min(demand_units) as low, max(demand_units) as high
    from forecast.demand_quantiles
    where as_of_date >= $day - $days and as_of_date < $day and demand_date <= $day and quantile between 0.02 and 0.98
    group by all
)
select count(distinct demand_date), sum(s.demand_mean_units), sum(coalesce(u.unconstrained_demand_units, d.demand_units))::double,
    avg((coalesce(u.unconstrained_demand_units, d.demand_units) between b.low and b.high)::int)
from said s
join bands b using (as_of_date, sku_id, region_id, demand_date)
join intermediate.int_demand_region_daily d using (sku_id, region_id, demand_date)
left join forecast.unconstrained_demand u using (sku_id, region_id, demand_date)
where d.demand_units is not null
"""


@dataclass(frozen=True)
class Held:
    """Live score of the champion's forecasts of the last seven days.

    Parameters
    ----------
    days : int
        Days of demand it was scored on.
    bias : float
        Sum of forecasts over sum of demand, minus one.
    coverage_95 : float
        Share of days inside the central 95 % band.
    """

    days: int
    bias: float
    coverage_95: float

    def drifted(self, limits: GateSettings) -> str:
        """How the champion left what a backtest must hold, empty when it did not."""
        if abs(self.bias) > limits.max_forecast_bias:
            return f"drift: forecasts of the last week were off by {self.bias:+.1%}, most is {limits.max_forecast_bias:.0%}"
        if self.coverage_95 < limits.min_coverage_95:
            return f"drift: the 95 % band held {self.coverage_95:.1%} of the last week, least is {limits.min_coverage_95:.0%}"
        return ""


def last_week(warehouse: duckdb.DuckDBPyConnection, day: dt.date) -> Held | None:
    """Score of what the present champion said in the week before ``day``; None while it has said too little."""
    if not has_table(warehouse, "forecast", "model_versions") or not has_table(warehouse, "forecast", "demand_quantiles"):
        return None
    days, said, came, covered = warehouse.execute(_HELD, {"day": day, "days": _DAYS}).fetchone()
    if days < _LEAST_DAYS or not came:
        return None
    return Held(days, said / came - 1, covered)
