"""Stage 3: regional demand as distributions.

Belongs here: reading the panel, calling `ml`, writing `forecast.*`. Does not: any learning.
"""

import datetime as dt
import hashlib
from collections.abc import Iterator
from dataclasses import replace

import dagster as dg
import numpy as np
import pandas as pd

from ml.backtest import CHAMPION, MODELS, Backtest, Incumbent, run_backtest
from ml.boosting import TrainingError
from ml.censoring import unconstrained_demand
from ml.explanation import feature_importance
from ml.features import feature_names
from ml.forecast import BASELINE, Champion, choose, demand_means, demand_quantiles
from ml.hierarchy import demand_totals, relative_errors, total_codes, total_names
from ml.panel import Panel
from ml.train import Model, TrainingChoices, train
from orchestration import drift, forecast_revisions, gates, model_registry, pictures
from orchestration.deployment import Deployment
from orchestration.metadata import frame_schema, markdown_table
from orchestration.panel_query import read_censored, read_panel
from orchestration.partitions import ONE_RUN_A_DAY, OWNERS, POOL
from orchestration.run_day import RunDay, read_day
from orchestration.warehouse import replace_day
from planning.frames import (
    ACCURACY,
    DEMAND_MEANS,
    DEMAND_QUANTILES,
    DEMAND_TOTALS,
    FEATURE_IMPORTANCE,
    KNOWN_AHEAD,
    MODEL_VERSIONS,
    REVISIONS,
    UNCONSTRAINED_DEMAND,
)

_TABLES = (
    DEMAND_MEANS,
    DEMAND_QUANTILES,
    ACCURACY,
    MODEL_VERSIONS,
    UNCONSTRAINED_DEMAND,
    DEMAND_TOTALS,
    KNOWN_AHEAD,
    REVISIONS,
    FEATURE_IMPORTANCE,
)
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
            free = panel.with_demand(unconstrained_demand(panel.demand, panel.is_censored, panel.open_share))
            means, totals, scores, used, model = _forecast(deployment, day, free, drift.last_week(warehouse, day.as_of_date))
            tables = {
                DEMAND_MEANS: means,
                DEMAND_QUANTILES: demand_quantiles(means),
                DEMAND_TOTALS: totals,
                ACCURACY: scores,
                MODEL_VERSIONS: used,
                KNOWN_AHEAD: forecast_revisions.known_ahead(panel, day.as_of_date),
                FEATURE_IMPORTANCE: _importance(day, model),
            }
            for frame, rows in tables.items():
                replace_day(warehouse, frame, rows, as_of_date=day.day)
            tables[REVISIONS] = forecast_revisions.since_last_plan(
                warehouse, free, day.as_of_date, model, str(used.iloc[0]["model_version"])
            )
            replace_day(warehouse, REVISIONS, tables[REVISIONS], as_of_date=day.day)
        yield dg.MaterializeResult(asset_key=["forecast", "unconstrained_demand"], metadata={"restated_row_count": short})
        yield from _results(panel, tables)

    return [forecast]


def _importance(day: RunDay, model: Model | None) -> pd.DataFrame:
    if model is None:
        return pd.DataFrame(columns=list(FEATURE_IMPORTANCE.fields))
    return feature_importance(model).assign(as_of_date=pd.Timestamp(day.as_of_date))[list(FEATURE_IMPORTANCE.fields)]


def _results(panel: Panel, tables: dict) -> Iterator[dg.MaterializeResult]:
    means, quantile_rows, scores, used = (tables[f] for f in (DEMAND_MEANS, DEMAND_QUANTILES, ACCURACY, MODEL_VERSIONS))
    name = str(used.iloc[0]["forecaster"])
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
        metadata={"dagster/row_count": len(quantile_rows), "fan_charts": pictures.fan_charts(panel, quantile_rows)},
    )
    yield dg.MaterializeResult(
        asset_key=["forecast", "accuracy"],
        metadata={
            "dagster/row_count": len(scores),
            **{f"wrmsse_{forecaster.replace(' ', '_')}": float(v) for forecaster, v in wrmsse.items()},
            "calibration": pictures.calibration(scores, name),
            "error_by_segment": pictures.error_by_segment(scores, name),
        },
    )
    yield dg.MaterializeResult(asset_key=["forecast", "known_ahead"], metadata={"dagster/row_count": len(tables[KNOWN_AHEAD])})
    moved = tables[REVISIONS]
    shown = ["sku_id", "region_id", "previous_units", "revised_units", "main_driver"]
    yield dg.MaterializeResult(
        asset_key=["forecast", "revisions"],
        metadata={"dagster/row_count": len(moved), "largest": markdown_table(moved[shown].head(20).round(1))},
    )
    whole = tables[DEMAND_TOTALS][tables[DEMAND_TOTALS]["level"] == "total"]
    yield dg.MaterializeResult(
        asset_key=["forecast", "demand_totals"],
        metadata={"dagster/row_count": len(tables[DEMAND_TOTALS]), "units_in_28_days": float(whole["demand_mean_units"].sum())},
    )
    importance = tables[FEATURE_IMPORTANCE]
    yield dg.MaterializeResult(
        asset_key=["forecast", "feature_importance"],
        metadata={"dagster/row_count": len(importance), "gain": pictures.importance(importance)}
        if len(importance)
        else {"dagster/row_count": 0},
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
        series, demand, censored, open_share = read_censored(warehouse, first - _LOOK_BACK, last)
        estimate = unconstrained_demand(demand, censored, open_share)
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


def _forecast(
    deployment: Deployment, day: RunDay, free: Panel, held: drift.Held | None
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame, Model | None]:
    """Means, their totals, accuracy, model row and model of the day, with the registered champion or after a new choice."""
    settings = deployment.settings
    stamp = pd.Timestamp(day.as_of_date)
    keys = [f"{sku}|{region}" for sku, region in zip(free.series["sku_id"], free.series["region_id"], strict=True)]
    drifted = "" if held is None else held.drifted(settings.gates)
    registered = _registered(deployment, day, free, drifted)
    if registered is None:
        registered = _choose(deployment, day, free, keys, drifted)
    kept = registered.content
    use_model = registered.model is not None
    name = kept["forecaster"] if use_model else BASELINE
    champion = Champion(name, registered.model, model_registry.spread_from_json(kept["spreads"][name], keys), registered.reason)
    means = demand_means(
        free,
        champion,
        as_of_date=stamp,
        model_version=registered.version,
        threads=settings.forecast.threads,
        is_fallback=registered.is_last_good,
    )
    by_series = means["demand_mean_units"].to_numpy().reshape(len(free.series), -1)
    totals = demand_totals(free, by_series, model_registry.total_errors_from_json(kept["totals"], total_names(free)), stamp)
    scores = pd.DataFrame(kept["scores"])
    scores = scores.assign(
        as_of_date=stamp, origin_date=pd.to_datetime(scores["origin_date"]), model_version=registered.version if use_model else None
    )
    used = pd.DataFrame(
        {
            "as_of_date": [stamp],
            "trained_on_date": [pd.Timestamp(registered.trained_on_date)],
            "method": ["model" if use_model and not registered.is_last_good else "fallback"],
            "forecaster": [name],
            "level_correlation": [champion.errors.level_correlation],
            "region_correlation": [champion.errors.region_correlation],
            "model_version": [registered.version],
            "reason": [registered.reason],
        }
    )
    return means, totals, ACCURACY.check(scores), MODEL_VERSIONS.check(used), registered.model


def _registered(deployment: Deployment, day: RunDay, panel: Panel, drifted: str) -> model_registry.Registered | None:
    """The champion that may go on, None when a new choice is due: none yet, too old, off its last days, or of other features."""
    settings = deployment.settings
    if deployment.pinned_model is not None:
        return model_registry.load(settings.models, deployment.pinned_model)
    found = model_registry.newest(settings.models, as_of_date=day.as_of_date, max_age_days=settings.forecast.retrain_every_days)
    if found is None or (drifted and found.chosen_on_date < day.as_of_date):
        return None
    if found.model is not None and found.model.feature_names != tuple(feature_names(panel)):
        return None
    return found


def _choose(deployment: Deployment, day: RunDay, panel: Panel, keys: list[str], drifted: str) -> model_registry.Registered:
    """Train a challenger, backtest it beside the champion so far and the baselines, and register who is champion now."""
    settings = deployment.settings
    seed = int(hashlib.sha256(day.day.encode()).hexdigest()[:7], 16)
    chosen = settings.forecast
    choices = TrainingChoices(chosen.trees, chosen.leaves, chosen.training_rows, chosen.threads, seed)
    former = model_registry.newest(settings.models, as_of_date=day.as_of_date - dt.timedelta(days=1))
    if former is not None and (former.model is None or former.model.feature_names != tuple(feature_names(panel))):
        former = None
    incumbent = None if former is None or former.rehearsal is None else Incumbent(former.content["forecaster"], former.rehearsal)
    backtest, reason = run_backtest(panel, choices=choices, incumbent=incumbent)
    model = None
    if not reason:
        try:
            model = train(panel, last_origin=len(panel.days) - 1, choices=choices)
        except (TrainingError, MemoryError, ValueError) as error:
            reason = f"{type(error).__name__}: {error}"
    so_far = None if former is None else Champion(former.content["forecaster"], former.model, backtest.spreads[BASELINE], "")
    champion = choose(backtest, model, reason, incumbent=so_far)
    stays = former is not None and champion.model is not None and champion.model is former.model
    version = model_registry.save(
        settings.models,
        model=champion.model,
        rehearsal=None if champion.model is None else (former.rehearsal if stays else backtest.rehearsal),
        chosen_on_date=day.as_of_date,
        trained_on_date=former.trained_on_date if stays else day.as_of_date,
        content=_content(panel, backtest, replace(champion, reason="; ".join(filter(None, (drifted, champion.reason)))), keys, stays=stays),
    )
    return model_registry.load(settings.models, version)


def _total_errors(panel: Panel, backtest: Backtest, said: str, *, stays: bool) -> dict:
    """Relative error of every total in the backtest, by level and name."""
    if backtest.actual is None:
        return {}
    mean = backtest.means[CHAMPION if stays else said]
    errors = {level: relative_errors(backtest.actual, mean, code) for level, code in total_codes(panel).items()}
    return model_registry.total_errors_to_json(errors, total_names(panel))


def _content(panel: Panel, backtest: Backtest, champion: Champion, keys: list[str], *, stays: bool) -> dict:
    said = {CHAMPION: champion.forecaster} | {name: f"challenger {name}" for name in MODELS} if stays else {CHAMPION: "former champion"}
    scores = backtest.scores.assign(
        origin_date=pd.to_datetime(backtest.scores["origin_date"]).dt.strftime("%Y-%m-%d"),
        forecaster=backtest.scores["forecaster"].replace(said),
        score=backtest.scores["score"].round(9),
    )
    return {
        "reason": champion.reason,
        "forecaster": champion.forecaster,
        "scores": scores.to_dict("records"),
        "totals": _total_errors(panel, backtest, champion.forecaster, stays=stays),
        "spreads": {
            champion.forecaster: model_registry.spread_to_json(champion.errors, keys),
            BASELINE: model_registry.spread_to_json(backtest.spreads[BASELINE], keys),
        },
    }
