"""The gates of targets and transfers: what must be true of a plan before anybody acts on it.

Belongs here: the rules. Does not: rules of deliveries and forecasts (`checks.py`), what a red verdict stops (`gates.py`).
"""

import dagster as dg
import duckdb
import numpy as np
from scipy.stats import t as student

from orchestration.deployment import Deployment
from orchestration.gates import Finding
from orchestration.great_expectations_batch import unmet
from orchestration.run_day import RunDay
from planning.plan_checks import infeasibilities


def reorder_point_is_below_order_up_to(warehouse: duckdb.DuckDBPyConnection, deployment: Deployment, day: RunDay) -> Finding:
    """Every carried SKU-node with counted stock has a target, and ordering raises the position."""
    rows = warehouse.execute(
        """select sku_id, node_id from plan.stock_targets
           where as_of_date = ? and reorder_point_units > order_up_to_units order by all limit 5""",
        [day.as_of_date],
    ).fetchall()
    missing = warehouse.execute(
        """select p.sku_id, p.node_id from intermediate.int_stock_positions p
           anti join (select * from plan.stock_targets where as_of_date = ?) t using (sku_id, node_id)
           where not p.is_stock_unknown order by all limit 5""",
        [day.as_of_date],
    ).fetchall()
    problems = [f"plan.stock_targets: reorder point above order-up-to at {_pairs(rows)}; check the policies' maximum"] if rows else []
    problems += [f"plan.stock_targets: no target for {_pairs(missing)}; materialise plan/stock_targets again"] if missing else []
    return Finding(problems)


def targets_fit_their_nodes(warehouse: duckdb.DuckDBPyConnection, deployment: Deployment, day: RunDay) -> Finding:
    """No target lies below the presentation stock, and no node is asked to hold more than its capacity."""
    below = warehouse.execute(
        """select sku_id, node_id from plan.stock_targets t join intermediate.int_stock_positions p using (sku_id, node_id)
           where t.as_of_date = ? and t.reorder_point_units < p.presentation_units order by all limit 5""",
        [day.as_of_date],
    ).fetchall()
    over = warehouse.execute(
        """select node_id, round(sum(order_up_to_units * volume_m3), 1), any_value(capacity_m3)
           from plan.stock_targets t join intermediate.int_stock_positions p using (sku_id, node_id)
           where t.as_of_date = ? group by all having sum(order_up_to_units * volume_m3) > any_value(capacity_m3) * (1 + 1e-9) order by all""",
        [day.as_of_date],
    ).fetchall()
    problems = (
        [f"plan.stock_targets: below the presentation stock at {_pairs(below)}; materialise plan/stock_targets again"] if below else []
    )
    problems += [
        f"plan.stock_targets: {node} would hold {held} m3 and has {room}; raise capacity_m3 or lower targets" for node, held, room in over
    ]
    return Finding(problems)


def attained_service_keeps_the_promise(warehouse: duckdb.DuckDBPyConnection, deployment: Deployment, day: RunDay) -> Finding:
    """Warns when the twin, living weeks of drawn demand under the targets, attains less than they promise."""
    rows = warehouse.execute(
        """select node_type, abc_class, sku_node_count, promised_level, attained_level, promised_fill_rate, attained_fill_rate
           from plan.service_attained where as_of_date = ? and method = 'targets' order by all""",
        [day.as_of_date],
    ).fetchall()
    tolerated = deployment.settings.gates.max_service_shortfall
    problems = []
    for node_type, abc, count, promised, attained, promised_fill, attained_fill in rows:
        allowed = tolerated + 2 * (promised * (1 - promised) / max(count, 1)) ** 0.5  # two standard errors of so few SKU-nodes
        if promised > 0 and attained < promised - allowed:
            problems.append(
                f"{node_type} {abc}: {attained:.1%} of cycles without a unit short, {promised:.1%} promised ({count} SKU-nodes)"
            )
        if promised_fill is not None and attained_fill < promised_fill - allowed:
            problems.append(f"{node_type} {abc}: fill rate {attained_fill:.1%}, {promised_fill:.1%} promised ({count} SKU-nodes)")
    return Finding(
        [f"{said}; look at plan.service_attained: upstream nodes that run out are the usual cause" for said in problems], is_blocking=False
    )


def _pairs(rows: list[tuple]) -> str:
    return "; ".join(", ".join(map(str, row)) for row in rows)


def plan_can_be_carried_out(warehouse: duckdb.DuckDBPyConnection, deployment: Deployment, day: RunDay) -> Finding:
    """The post-check, independent of the solver: available units, whole cases, open lanes, no two-way flow."""
    plan = warehouse.execute("select * from plan.transfers where as_of_date = ?", [day.as_of_date]).df()
    positions = warehouse.execute("select * from intermediate.int_stock_positions where not is_stock_unknown").df()
    lanes = warehouse.execute("select * from intermediate.int_open_lanes").df()
    found = infeasibilities(transfers=plan, positions=positions, lanes=lanes)
    return Finding([f"plan.transfers: {said}; materialise plan/transfers again, and report it if it stays" for said in found])


def plan_looks_like_a_plan(warehouse: duckdb.DuckDBPyConnection, deployment: Deployment, day: RunDay) -> Finding:
    """Every line pays, lowers the destination's risk, and the whole stays small against the stock (Great Expectations)."""
    plan = warehouse.execute(
        """select transfer_id, transfer_units, transfer_cost, net_gain,
                  case when (sku_id, destination_node_id) not in (
                      select (sku_id, origin_node_id) from plan.transfers where as_of_date = $day
                  ) then destination_stockout_probability_before - destination_stockout_probability_after end as risk_taken_away
           from plan.transfers where as_of_date = $day""",
        {"day": day.as_of_date},
    ).df()
    if plan.empty:
        return Finding([])
    stock = warehouse.execute("select sum(on_hand_units)::double from intermediate.int_stock_positions").fetchone()[0]

    def expectations(gx: object) -> list:
        return [
            gx.ExpectColumnValuesToBeUnique(column="transfer_id", meta={"says": "a transfer stands twice:"}),
            gx.ExpectColumnValuesToBeBetween(column="net_gain", min_value=0, meta={"says": "a line does not pay:"}),
            gx.ExpectColumnValuesToBeBetween(
                column="risk_taken_away", min_value=-1e-9, meta={"says": "a line raises the destination's risk:"}
            ),
            gx.ExpectColumnSumToBeBetween(
                column="transfer_units", max_value=0.5 * stock, meta={"says": "more than half of all stock would move:"}
            ),
        ]

    return Finding(unmet(plan, "transfers", expectations, label="transfer_id"))


def certificate_adds_up(warehouse: duckdb.DuckDBPyConnection, deployment: Deployment, day: RunDay) -> Finding:
    """The proof is of this plan: its value is the sum of the lines, its bound the sum of its parts and not below the value, its loads the lines'."""
    rows = warehouse.execute(_CERTIFICATE, {"day": day.as_of_date}).fetchall()
    if not rows:
        return Finding(["plan.transfer_certificates: the day has no certificate; materialise plan/transfers again"])
    value, bound, of_lines, of_parts, overloaded = rows[0]
    near = 1e-6 * max(1.0, abs(bound))
    said = []
    if abs(value - of_lines) > near:
        said.append(f"the plan nets {of_lines:.4f}, its certificate says {value:.4f}")
    if abs(bound - of_parts) > near:
        said.append(f"the bound is {bound:.4f}, its parts sum to {of_parts:.4f}")
    if value > bound + near:
        said.append(f"the plan nets {value:.4f}, more than its bound {bound:.4f}")
    if overloaded:
        said.append(f"{overloaded} departures carry other units than their lines, or more than they can")
    shown = {"plan_net_gain": dg.MetadataValue.float(value), "bound_net_gain": dg.MetadataValue.float(bound)}
    return Finding(
        [f"plan.transfer_certificates: {one}; materialise plan/transfers again, and report it if it stays" for one in said], metadata=shown
    )


_CERTIFICATE = """
with lines as (
    select origin_node_id, destination_node_id, mode, sum(transfer_units) as units from plan.transfers where as_of_date = $day group by all
), limits as (select * from plan.transfer_limits where as_of_date = $day)
select c.plan_net_gain, c.bound_net_gain,
    (select coalesce(sum(net_gain), 0) from plan.transfers where as_of_date = $day),
    c.skus_net_gain + (select coalesce(sum(bound_cost), 0) from limits),
    (select count(*) from (select * from limits where limit_kind = 'departure') l
     full join lines using (origin_node_id, destination_node_id, mode)
     where coalesce(l.used_units, -1) <> coalesce(lines.units, 0) or l.used_units > l.limit_units)
from plan.transfer_certificates c where c.as_of_date = $day
"""


def plan_is_better_than_none(warehouse: duckdb.DuckDBPyConnection, deployment: Deployment, day: RunDay) -> Finding:
    """The twin lives weeks with the plan and without, and replenishes in both: not better on average is a warning, surely worse a refusal."""
    gain = warehouse.execute(
        "select difference_gain from plan.decision_values where as_of_date = ? order by draw_number", [day.as_of_date]
    ).fetchnumpy()
    low, mean, high = interval(gain["difference_gain"])
    if not len(gain["difference_gain"]):
        return Finding([])
    shown = {"draw_count": dg.MetadataValue.int(len(gain["difference_gain"])), "mean_gain": dg.MetadataValue.float(mean)}
    if np.isfinite(low):
        shown |= {"low_gain": dg.MetadataValue.float(low), "high_gain": dg.MetadataValue.float(high)}
    if mean > 0:
        return Finding([], metadata=shown)
    said = f"plan.transfers: over the next weeks the plan gains {mean:,.2f} against none, between {low:,.2f} and {high:,.2f} with 95 %"
    remedy = "look at plan.decision_values, at lines that gain little (planning.min_net_gain_per_line) and at the forecast of their SKUs"
    return Finding([f"{said}; {remedy}"], is_blocking=high < 0, metadata=shown)


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Low end, mean and high end of the mean's 95 % interval (Student's t)."""
    if len(values) < 2:  # one story says nothing about others
        return -np.inf, float(np.sum(values)), np.inf
    half = float(student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return float(np.mean(values)) - half, float(np.mean(values)), float(np.mean(values)) + half
