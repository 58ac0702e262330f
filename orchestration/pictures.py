"""Pictures a person would rather look at than read, as Markdown metadata.

Belongs here: the fan chart, the network map, days of supply. Does not: numbers nobody computed elsewhere. Matplotlib is
imported inside functions: it takes seconds.
"""

import base64
import io
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from ml.panel import Panel
from planning.lead_time_demand import LeadTimeDemand

_INK, _SOFT, _ACCENT, _WARM = "#1f2933", "#9aa5b1", "#2563eb", "#d97706"
_NODE_COLOUR = {"hub": "#7c3aed", "regional_dc": "#2563eb", "urban_mfc": "#059669", "bonded": "#64748b", "store": "#d97706"}


def _figure(width: float, height: float) -> tuple[Any, Any]:
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    axes = figure.subplots()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=_INK, labelsize=8)
    return figure, axes


def _markdown(figure: Any, alt: str) -> dg.MarkdownMetadataValue:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return dg.MetadataValue.md(f"![{alt}](data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()})")


def fan_chart(panel: Panel, quantile_rows: pd.DataFrame) -> dg.MarkdownMetadataValue:
    """Last eight weeks and the next four of the SKU-region that sells most."""
    from matplotlib.dates import ConciseDateFormatter

    figure, axes = _figure(8.5, 3.4)
    best = int(np.nanargmax(np.nan_to_num(panel.window_mean(len(panel.days) - 1, 56)))) if len(panel.series) else 0
    row = panel.series.iloc[best]
    mine = quantile_rows[(quantile_rows["sku_id"] == row["sku_id"]) & (quantile_rows["region_id"] == row["region_id"])]
    fan = mine.pivot_table(index="demand_date", columns="quantile", values="demand_units")
    axes.step(panel.days[-56:], panel.demand[best, -56:], where="mid", color=_INK, lw=1.1, label="demand")
    for low, high, shade in ((0.005, 0.995, 0.12), (0.025, 0.975, 0.2), (0.165, 0.835, 0.35)):
        axes.fill_between(fan.index, fan[low], fan[high], step="mid", color=_ACCENT, alpha=shade, lw=0, label=f"{low:g} to {high:g}")
    axes.step(fan.index, fan[0.5], where="mid", color=_ACCENT, lw=1.6, label="median")
    axes.axvline(panel.days[-1], color=_SOFT, lw=0.8, ls=":")
    axes.set_ylabel("units a day", fontsize=8)
    axes.set_title(f"SKU {row['sku_id']} in {row['region_id']}", fontsize=9, loc="left", color=_INK)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))
    axes.legend(fontsize=7, frameon=False, ncols=5, loc="upper left")
    axes.set_ylim(bottom=0)
    return _markdown(figure, "fan chart")


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
