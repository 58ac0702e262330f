"""Pictures a person would rather look at than read, as Markdown metadata.

Belongs here: fan charts, calibration, errors, the network map, days of supply. Does not: numbers nobody computed elsewhere. Matplotlib is
imported inside functions: it takes seconds.
"""

import base64
import io
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from ml.backtest import BASELINES, YOUNG_DAYS
from ml.panel import HORIZON_DAYS, Panel
from planning.lead_time_demand import LeadTimeDemand

_INK, _SOFT, _ACCENT, _WARM = "#1f2933", "#9aa5b1", "#2563eb", "#d97706"
_NODE_COLOUR = {"hub": "#7c3aed", "regional_dc": "#2563eb", "urban_mfc": "#059669", "bonded": "#64748b", "store": "#d97706"}


def _figure(width: float, height: float, *, rows: int = 1, columns: int = 1) -> tuple[Any, Any]:
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    axes = figure.subplots(rows, columns)
    for axis in np.atleast_1d(axes).ravel():
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
        axis.tick_params(colors=_INK, labelsize=8)
    return figure, axes


def _markdown(figure: Any, alt: str) -> dg.MarkdownMetadataValue:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return dg.MetadataValue.md(f"![{alt}](data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()})")


_BANDS = ((0.005, 0.995, 0.12), (0.025, 0.975, 0.2), (0.165, 0.835, 0.35))


def fan_charts(panel: Panel, quantile_rows: pd.DataFrame) -> dg.MarkdownMetadataValue:
    """Last eight weeks and the next four of SKU-regions that tell something: the fastest, the lumpiest, a promoted, a new, a retiring one."""
    from matplotlib.dates import ConciseDateFormatter

    chosen = _telling(panel)
    figure, axes = _figure(8.5, 2.5 * max(len(chosen), 1), rows=max(len(chosen), 1))
    for axis, (title, row) in zip(np.atleast_1d(axes), chosen.items(), strict=False):
        one = panel.series.iloc[row]
        mine = quantile_rows[(quantile_rows["sku_id"] == one["sku_id"]) & (quantile_rows["region_id"] == one["region_id"])]
        fan = mine.pivot_table(index="demand_date", columns="quantile", values="demand_units")
        axis.step(panel.days[-56:], panel.demand[row, -56:], where="mid", color=_INK, lw=1.1, label="demand")
        for low, high, shade in _BANDS:
            axis.fill_between(fan.index, fan[low], fan[high], step="mid", color=_ACCENT, alpha=shade, lw=0, label=f"{low:g} to {high:g}")
        axis.step(fan.index, fan[0.5], where="mid", color=_ACCENT, lw=1.6, label="median")
        axis.axvline(panel.days[-1], color=_SOFT, lw=0.8, ls=":")
        _shade_promotions(axis, panel, row)
        axis.set_ylabel("units a day", fontsize=8)
        axis.set_title(f"{title}: SKU {one['sku_id']} in {one['region_id']}", fontsize=9, loc="left", color=_INK)
        axis.xaxis.set_major_formatter(ConciseDateFormatter(axis.xaxis.get_major_locator()))
        axis.set_ylim(bottom=0)
    if chosen:
        np.atleast_1d(axes)[0].legend(fontsize=7, frameon=False, ncols=6, loc="upper left")
    return _markdown(figure, "fan charts")


def _telling(panel: Panel) -> dict[str, int]:
    """Rows of the panel worth a picture, by what they show; each row once."""
    last = len(panel.days) - 1
    level = np.nan_to_num(panel.window_mean(last, 56))
    ahead = panel.days[-1] + pd.Timedelta(days=HORIZON_DAYS)
    launched, retired = (pd.to_datetime(panel.series[c]).to_numpy() for c in ("launched_date", "retired_date"))
    kinds = {
        "fastest": np.ones(len(level), bool),
        "lumpy": (panel.series["demand_class"] == "lumpy").to_numpy() if "demand_class" in panel.series else np.zeros(len(level), bool),
        "promoted soon": panel.discount[:, last + 1 :].max(axis=1, initial=0) > 0,
        "new": launched > (panel.days[-1] - pd.Timedelta(days=YOUNG_DAYS)).to_datetime64(),
        "retiring": retired <= ahead.to_datetime64(),
    }
    found: dict[str, int] = {}
    for name, members in kinds.items():
        free = members & ~np.isin(np.arange(len(level)), list(found.values()))
        if free.any():
            found[name] = int(np.argmax(np.where(free, level, -1.0)))
    return found


def _shade_promotions(axis: Any, panel: Panel, row: int) -> None:
    first = max(0, len(panel.days) - 56)
    runs = panel.discount[row, first:] > 0
    days = panel.days[0] + pd.to_timedelta(first + np.arange(len(runs)), unit="D")
    if runs.any():
        axis.fill_between(
            days, 0, 1, where=runs, step="mid", transform=axis.get_xaxis_transform(), color=_WARM, alpha=0.12, lw=0, label="promotion"
        )


def calibration(scores: pd.DataFrame, forecaster: str) -> dg.MarkdownMetadataValue:
    """Share of backtest demand below each quantile against the quantile, the whole and the segments that stray most."""
    figure, axes = _figure(4.6, 4.2)
    mine = scores[(scores["forecaster"] == forecaster) & scores["measure"].str.startswith("below ")]
    table = mine.assign(level=mine["measure"].str.removeprefix("below ").astype(float)).pivot_table(
        index="segment", columns="level", values="score"
    )
    axes.plot([0, 1], [0, 1], color=_SOFT, lw=0.8, ls=":")
    if "all" in table.index:
        away = (table.drop(index="all") - table.columns.to_numpy()).abs().max(axis=1).nlargest(3)
        for segment in away.index:
            axes.plot(table.columns, table.loc[segment], color=_WARM, lw=0.9, alpha=0.7, label=segment)
        axes.plot(table.columns, table.loc["all"], color=_ACCENT, lw=1.8, marker="o", ms=3.5, label="all")
        axes.legend(fontsize=7, frameon=False, loc="upper left")
    axes.set_xlabel("quantile", fontsize=8)
    axes.set_ylabel("share of demand below it", fontsize=8)
    return _markdown(figure, "calibration")


def error_by_segment(scores: pd.DataFrame, forecaster: str) -> dg.MarkdownMetadataValue:
    """Pinball loss of the forecaster over that of each baseline, by segment; left of 1 is better."""
    mean = scores[scores["measure"] == "pinball"].groupby(["segment", "forecaster"])["score"].mean().unstack()
    against = [name for name in BASELINES if name in mean and name != forecaster]
    ratio = mean[against].rdiv(mean[forecaster], axis=0).dropna(how="all") if forecaster in mean else mean[[]]
    figure, axes = _figure(7.2, 1.2 + 0.22 * len(ratio))
    place = np.arange(len(ratio))
    for offset, (name, colour) in enumerate(zip(against, (_ACCENT, _SOFT), strict=False)):
        axes.barh(place - 0.2 + 0.4 * offset, ratio[name], height=0.38, color=colour, label=f"against {name}")
    axes.axvline(1, color=_INK, lw=0.8)
    axes.set_yticks(place, ratio.index, fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel(f"pinball loss of {forecaster}, baseline = 1", fontsize=8)
    if against:
        axes.legend(fontsize=7, frameon=False, loc="lower right")
    return _markdown(figure, "error by segment")


def importance(rows: pd.DataFrame) -> dg.MarkdownMetadataValue:
    """The dozen features that brought most gain, by part of the model."""
    parts = list(rows.groupby("model_part"))
    figure, axes = _figure(8.5, 3.2, columns=len(parts))
    for axis, (part, members) in zip(np.atleast_1d(axes), parts, strict=True):
        top = members.nlargest(12, "gain_share")[::-1]
        axis.barh(top["feature_name"], top["gain_share"], color=_ACCENT, height=0.65)
        axis.set_title(f"model of the {part}", fontsize=9, loc="left", color=_INK)
        axis.set_xlabel("share of gain", fontsize=8)
    return _markdown(figure, "feature importance")


def network_map(lines: pd.DataFrame, nodes: pd.DataFrame) -> dg.MarkdownMetadataValue:
    """Nodes where they stand, and the units of the plan that travel between them."""
    figure, axes = _figure(7.2, 6.2)
    place = nodes.dropna(subset=["latitude", "longitude"]).set_index("node_id")
    flow = lines.groupby(["origin_node_id", "destination_node_id"], as_index=False)["transfer_units"].sum()
    widest = max(float(flow["transfer_units"].max()), 1.0) if len(flow) else 1.0
    for origin, destination, units in flow.itertuples(index=False):
        if origin in place.index and destination in place.index:
            a, b = place.loc[origin], place.loc[destination]
            axes.annotate(
                "",
                xy=(b["longitude"], b["latitude"]),
                xytext=(a["longitude"], a["latitude"]),
                arrowprops={
                    "arrowstyle": "-|>", "color": _WARM, "lw": 0.6 + 4.5 * units / widest, "alpha": 0.65,
                    "connectionstyle": "arc3,rad=0.14", "shrinkA": 7, "shrinkB": 7,
                },
            )  # fmt: skip
    for kind, group in place.groupby("node_type"):
        axes.scatter(
            group["longitude"], group["latitude"], s=70, color=_NODE_COLOUR.get(str(kind), _INK), label=str(kind), zorder=3, ec="white"
        )
    for node, row in place.iterrows():
        axes.annotate(str(node), (row["longitude"], row["latitude"]), xytext=(6, 5), textcoords="offset points", fontsize=6.5, color=_INK)
    axes.set_title(
        f"{int(flow['transfer_units'].sum()) if len(flow) else 0} units on {len(flow)} lanes", fontsize=9, loc="left", color=_INK
    )
    axes.set_xlabel("longitude", fontsize=8)
    axes.set_ylabel("latitude", fontsize=8)
    axes.margins(0.14)
    if len(place):
        axes.legend(fontsize=7, frameon=False, loc="lower left")
    return _markdown(figure, "network with the plan's flows")


def days_of_supply(positions: pd.DataFrame, demand: LeadTimeDemand) -> dg.MarkdownMetadataValue:
    """Days of supply of each node at cost, what is available against expected demand."""
    figure, axes = _figure(7.2, 3.6)
    daily = demand.protection_units.mean(axis=1) / demand.protection_days * positions["unit_cost"].to_numpy(dtype=float)
    stock = (positions["on_hand_units"] - positions["reserved_units"]).to_numpy(dtype=float) * positions["unit_cost"].to_numpy(dtype=float)
    node = pd.DataFrame({"node": positions["node_id"], "stock": stock, "daily": daily}).groupby("node").sum()
    days = (node["stock"] / node["daily"].where(node["daily"] > 0)).dropna().sort_values()
    axes.barh(days.index, days, color=_ACCENT, height=0.65)
    for i, value in enumerate(days):
        axes.text(value, i, f" {value:.0f}", va="center", fontsize=7, color=_INK)
    axes.set_xlabel("days of supply", fontsize=8)
    return _markdown(figure, "days of supply by node")


def inventory_service(curves: dict[str, list[tuple[float, float]]], here: tuple[float, float]) -> dg.MarkdownMetadataValue:
    """Fill rate that a stock buys: money in safety stock against units served, by method, and where the targets stand."""
    figure, axes = _figure(7.2, 3.8)
    for (name, points), colour in zip(curves.items(), (_ACCENT, _SOFT), strict=False):
        axes.plot([p[0] for p in points], [100 * p[1] for p in points], color=colour, lw=1.8, marker="o", ms=3, label=name)
    axes.scatter([here[0]], [100 * here[1]], color=_WARM, zorder=4, s=46, label="targets in force")
    axes.set_xlabel("safety stock at cost", fontsize=8)
    axes.set_ylabel("expected fill rate, %", fontsize=8)
    axes.legend(fontsize=7, frameon=False, loc="lower right")
    return _markdown(figure, "inventory-service curve")


def attained(rows: pd.DataFrame) -> dg.MarkdownMetadataValue:
    """Promised against attained cycle service of every segment; below the line the targets fall short."""
    figure, axes = _figure(5.6, 4.4)
    for (method, part), colour in zip(rows.groupby("method", sort=False), (_ACCENT, _WARM), strict=False):
        axes.scatter(part["promised_level"], part["attained_level"], s=20 + 140 * np.sqrt(part["sku_node_count"] / rows["sku_node_count"].max()),
                     color=colour, alpha=0.6, label=str(method), lw=0)  # fmt: skip
        for row in part.itertuples():
            label = f"{row.node_type} {row.abc_class}"
            axes.annotate(
                label, (row.promised_level, row.attained_level), fontsize=6, color=_INK, xytext=(4, 3), textcoords="offset points"
            )
    low = float(min(rows["promised_level"].where(rows["promised_level"] > 0).min(), rows["attained_level"].min(), 0.9)) - 0.02
    axes.plot([low, 1], [low, 1], color=_SOFT, lw=0.8, ls=":")
    axes.set_xlim(low, 1.005)
    axes.set_ylim(low, 1.005)
    axes.set_xlabel("cycle service promised", fontsize=8)
    axes.set_ylabel("attained in the twin", fontsize=8)
    axes.legend(fontsize=7, frameon=False, loc="lower right")
    return _markdown(figure, "promised and attained service")


def cost_curve(rows: pd.DataFrame, elbow_count: int) -> dg.MarkdownMetadataValue:
    """Cost of the best network by its number of nodes, in its parts, with the elbow and today's network."""
    figure, axes = _figure(7.2, 3.8)
    counts = rows[rows["scenario"].str.fullmatch(r"\d+ nodes?")]
    parts = ["fixed_cost_per_year", "freight_and_handling_cost", "final_mile_cost", "carrying_cost"]
    by_count = counts.groupby("node_count")[parts].sum()
    bottom = np.zeros(len(by_count))
    for part, colour in zip(parts, ("#64748b", _ACCENT, "#059669", _WARM), strict=True):
        axes.bar(
            by_count.index, by_count[part], bottom=bottom, color=colour, width=0.62, label=part.removesuffix("_per_year").replace("_", " ")
        )
        bottom += by_count[part].to_numpy()
    if elbow_count in by_count.index:
        axes.annotate("elbow", (elbow_count, by_count.loc[elbow_count].sum()), xytext=(0, 14), textcoords="offset points", ha="center",
                      fontsize=8, color=_INK, arrowprops={"arrowstyle": "-", "color": _INK})  # fmt: skip
    today = rows[rows["scenario"] == "today"]
    if len(today):
        axes.axhline(float(today["scenario_total_cost"].iloc[0]), color=_INK, lw=0.9, ls="--", label="today")
    axes.set_xlabel("open nodes", fontsize=8)
    axes.set_ylabel("cost a year", fontsize=8)
    axes.legend(fontsize=7, frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    return _markdown(figure, "cost by number of nodes")


def echelons(targets: pd.DataFrame, plan: pd.DataFrame, types: pd.DataFrame) -> dg.MarkdownMetadataValue:
    """Safety stock by type of node: the targets in force beside what guaranteed service would hold."""
    figure, axes = _figure(7.2, 3.0)
    kind = types.set_index("node_id")["node_type"]
    units = pd.DataFrame(
        {
            "each node alone (in force)": targets["safety_stock_units"].groupby(targets["node_id"].map(kind)).sum(),
            "guaranteed service": plan["safety_stock_units"].groupby(plan["node_id"].map(kind)).sum(),
        }
    ).sort_index()
    place = np.arange(len(units))
    for offset, (name, colour) in enumerate(zip(units, (_SOFT, _ACCENT), strict=True)):
        axes.barh(place - 0.2 + 0.4 * offset, units[name], height=0.38, color=colour, label=name)
        for at, value in zip(place - 0.2 + 0.4 * offset, units[name], strict=True):
            axes.text(value, at, f" {value:,.0f}", va="center", fontsize=7, color=_INK)
    axes.set_yticks(place, units.index)
    axes.invert_yaxis()
    axes.set_xlabel("units of safety stock", fontsize=8)
    axes.legend(fontsize=7, frameon=False, loc="lower right")
    return _markdown(figure, "safety stock by echelon")
