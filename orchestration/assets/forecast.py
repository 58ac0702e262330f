"""Stage 3: regional demand as distributions.

Belongs here: reading the panel, calling `ml`, writing `forecast.*`. Does not: any learning.
"""

import datetime as dt
import hashlib
from collections.abc import Iterator

import dagster as dg
import numpy as np
import pandas as pd

from ml.backtest import Backtest, run_backtest
from ml.censoring import unconstrained_demand
from ml.forecast import BASELINE, Champion, choose, demand_means, demand_quantiles
from ml.panel import Panel
from ml.train import TrainingChoices, TrainingError, train
from orchestration import gates, model_registry, pictures
from orchestration.deployment import Deployment
from orchestration.metadata import frame_schema
from orchestration.panel_query import read_censored, read_panel
from orchestration.partitions import ONE_RUN_A_DAY, OWNERS, POOL
from orchestration.run_day import RunDay, read_day
from orchestration.warehouse import replace_day
from planning.frames import ACCURACY, DEMAND_MEANS, DEMAND_QUANTILES, MODEL_VERSIONS, UNCONSTRAINED_DEMAND

_TABLES = (DEMAND_MEANS, DEMAND_QUANTILES, ACCURACY, MODEL_VERSIONS, UNCONSTRAINED_DEMAND)
_LOOK_BACK = dt.timedelta(days=56)
_CHUNK = dt.timedelta(days=400)


def build_forecast(partitions: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Assets of the stage."""
    specs = [
        dg.AssetSpec(
            frame.name.split("."),
            deps=[["intermediate", "int_demand_region_daily"], ["marts", "dim_sku"], ["marts", "dim_node"], ["marts", "dim_region"],
                  ["staging", "stg_marketing__prices"], ["staging", "stg_marketing__promotions"], ["staging", "stg_history__signals"]],
            group_name="forecast",
            owners=OWNERS,
            kinds={"lightgbm", "duckdb"},
            description=f"One row per {frame.grain}.",
            metadata={"dagster/column_schema": frame_schema(frame)},
        )
        for frame in _TABLES
    ]  # fmt: skip

    @dg.multi_asset(name="forecast", specs=specs, pool=POOL, partitions_def=partitions, backfill_policy=ONE_RUN_A_DAY)
    def forecast(context: dg.AssetExecutionContext, deployment: dg.ResourceParam[Deployment]) -> Iterator[dg.MaterializeResult]:
        with deployment.warehouse() as warehouse:
            day = read_day(warehouse)
            gates.require(deployment, day, "forecast")
            short = _restate_censored(warehouse, day)  # the totals of the panel read what it writes
            panel = read_panel(warehouse, deployment.settings, day.as_of_date)
            means, scores, used = _forecast(deployment, day, panel)
            tables = {
                DEMAND_MEANS: means,
                DEMAND_QUANTILES: demand_quantiles(means),
                ACCURACY: scores,
                MODEL_VERSIONS: used,
            }
            for frame, rows in tables.items():
                replace_day(warehouse, frame, rows, as_of_date=day.day)
        yield dg.MaterializeResult(asset_key=["forecast", "unconstrained_demand"], metadata={"restated_row_count": short})
        yield from _results(panel, tables)

    return [forecast]


def _results(panel: Panel, tables: dict) -> Iterator[dg.MaterializeResult]:
    means, quantile_rows, scores, used = tables.values()
    wrmsse = scores[(scores["measure"] == "wrmsse") & (scores["segment"] == "all")].groupby("forecaster")["score"].mean()
    yield dg.MaterializeResult(
        asset_key=["forecast", "demand_means"],
        metadata={
            "dagster/row_count": len(means),
            "series_count": len(panel.series),
            "mean_units_per_day": float(means["demand_mean_units"].sum() / 28),
            "fallback_row_count": int((means["method"] == "fallback").sum()),
            "cold_start_row_count": int((means["method"] == "cold start").sum()),
        },
    )
    yield dg.MaterializeResult(
        asset_key=["forecast", "demand_quantiles"],
        metadata={"dagster/row_count": len(quantile_rows), "fan_chart": pictures.fan_chart(panel, quantile_rows)},
    )
    yield dg.MaterializeResult(
        asset_key=["forecast", "accuracy"],
        metadata={"dagster/row_count": len(scores), **{f"wrmsse_{name.replace(' ', '_')}": float(v) for name, v in wrmsse.items()}},
    )
    row = used.iloc[0]
    yield dg.MaterializeResult(
        asset_key=["forecast", "model_versions"],
        metadata={"model_version": str(row["model_version"]), "method": row["method"], "reason": str(row["reason"])},
    )


def _restate_censored(warehouse: object, day: RunDay) -> int:
    """Estimate demand on the window's days without stock, a bounded stretch of days at a time."""
    warehouse.execute("delete from forecast.unconstrained_demand where demand_date >= ?", [day.changed_from_date])
    first, count = day.changed_from_date, 0
    while first <= day.as_of_date:
        last = min(first + _CHUNK, day.as_of_date)
        series, demand, censored = read_censored(warehouse, first - _LOOK_BACK, last)
        estimate = unconstrained_demand(demand, censored)
        row, column = np.nonzero(censored & (np.arange(demand.shape[1]) >= _LOOK_BACK.days) & ~np.isnan(demand))
        rows = pd.DataFrame(
            {
                "sku_id": series["sku_id"].to_numpy()[row],
                "region_id": series["region_id"].to_numpy()[row],
                "demand_date": pd.Timestamp(first - _LOOK_BACK) + pd.to_timedelta(column, unit="D"),
                "unconstrained_demand_units": np.round(estimate[row, column].astype(float), 4),
            }
        )
        warehouse.register("_rows", rows)
        warehouse.execute(
            "insert into forecast.unconstrained_demand select sku_id, region_id, demand_date::date, unconstrained_demand_units from _rows"
        )
        warehouse.unregister("_rows")
        first, count = last + dt.timedelta(days=1), count + len(rows)
    return count


def _forecast(deployment: Deployment, day: RunDay, panel: Panel) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Means, accuracy and model row of the day, with a registered model or a newly trained one."""
    settings = deployment.settings
    stamp = pd.Timestamp(day.as_of_date)
    free = panel.with_demand(unconstrained_demand(panel.demand, panel.is_censored))
    keys = [f"{sku}|{region}" for sku, region in zip(panel.series["sku_id"], panel.series["region_id"], strict=True)]
    registered = _registered(deployment, day)
    if registered is None:
        registered = _train(deployment, day, free, keys)
    kept = registered.content
    use_model = registered.model is not None
    reason = "" if use_model else registered.reason
    name = kept["forecaster"] if use_model else BASELINE
    champion = Champion(name, registered.model, model_registry.spread_from_json(kept["spreads"][name], keys), reason)
    means = demand_means(free, champion, as_of_date=stamp, model_version=registered.version, threads=settings.forecast.threads)
    scores = pd.DataFrame(kept["scores"])
    scores = scores.assign(
        as_of_date=stamp, origin_date=pd.to_datetime(scores["origin_date"]), model_version=registered.version if use_model else None
    )
    used = pd.DataFrame(
        {
            "as_of_date": [stamp],
            "trained_on_date": [pd.Timestamp(registered.trained_on_date)],
            "method": ["model" if use_model else "fallback"],
            "forecaster": [name],
            "level_correlation": [champion.errors.level_correlation],
            "region_correlation": [champion.errors.region_correlation],
            "model_version": [registered.version],
            "reason": [reason],
        }
    )
    return means, ACCURACY.check(scores), MODEL_VERSIONS.check(used)


def _registered(deployment: Deployment, day: RunDay) -> model_registry.Registered | None:
    settings = deployment.settings
    if deployment.pinned_model is not None:
        return model_registry.load(settings.models, deployment.pinned_model)
    return model_registry.newest(settings.models, as_of_date=day.as_of_date, max_age_days=settings.forecast.retrain_every_days)


def _train(deployment: Deployment, day: RunDay, panel: Panel, keys: list[str]) -> model_registry.Registered:
    """Backtest, train on everything if the model won, and register the outcome."""
    settings = deployment.settings
    seed = int(hashlib.sha256(day.day.encode()).hexdigest()[:7], 16)
    chosen = settings.forecast
    choices = TrainingChoices(chosen.trees, chosen.leaves, chosen.training_rows, chosen.threads, seed)
    backtest, reason = run_backtest(panel, choices=choices)
    model = None
    if not reason:
        try:
            model = train(panel, last_origin=len(panel.days) - 1, choices=choices)
        except (TrainingError, MemoryError, ValueError) as error:
            reason = f"{type(error).__name__}: {error}"
    champion = choose(backtest, model, reason)
    version = model_registry.save(
        settings.models, model=champion.model, trained_on_date=day.as_of_date, content=_content(backtest, champion, keys)
    )
    return model_registry.load(settings.models, version)


def _content(backtest: Backtest, champion: Champion, keys: list[str]) -> dict:
    scores = backtest.scores.assign(
        origin_date=pd.to_datetime(backtest.scores["origin_date"]).dt.strftime("%Y-%m-%d"), score=backtest.scores["score"].round(9)
    )
    return {
        "reason": champion.reason,
        "forecaster": champion.forecaster,
        "scores": scores.to_dict("records"),
        "spreads": {name: model_registry.spread_to_json(backtest.spreads[name], keys) for name in sorted({champion.forecaster, BASELINE})},
    }
