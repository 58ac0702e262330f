"""What the delivered feeds allow, and what is switched off without them: `ops.readiness`.

Belongs here: which capability needs which feed and column, and what happens without it. Does not: the capabilities themselves.
A feed nobody configured is no error: its capability is not applicable.
"""

from dataclasses import dataclass

import duckdb
import pandas as pd

from orchestration.settings import Settings

_MOSTLY = 0.9  # a column filled in fewer rows than this share is called incomplete
_FILLED_LATER = ("delivered_at", "order_id", "launched_date")  # empty in rows that are right


@dataclass(frozen=True, slots=True)
class Requirement:
    """A feed, or a column of it, that a capability reads."""

    capability: str
    feed: str
    column: str
    is_essential: bool
    without_it: str


REQUIREMENTS = tuple(
    Requirement(*row)
    for row in (
        ("forecast", "pos_sales", "", False, "demand is e-commerce alone"),
        ("forecast", "ecom_orders", "", False, "demand is over the counter alone"),
        ("forecast", "skus", "", True, "no demand is counted: every line names an unknown SKU"),
        ("forecast", "skus", "category", False, "new SKUs cannot lean on their category"),
        ("forecast", "skus", "launched_date", False, "a launch is seen with its first sale only"),
        ("forecast", "prices", "", False, "price changes are not foreseen"),
        ("forecast", "marketing_calendar", "", False, "promotions are not foreseen"),
        ("forecast", "external_signals", "", False, "weather, holidays beyond the public ones and events are not seen"),
        ("forecast", "aggregate_history", "", False, "no yearly season beyond the history of the SKUs"),
        ("censored demand", "inventory_snapshots", "", True, "days without stock count as days without demand"),
        ("stock targets", "inventory_snapshots", "", True, "no target: nobody knows what is there"),
        ("stock targets", "skus", "supplier_lead_time_days", True, "a lead time is assumed and flagged"),
        ("stock targets", "lanes", "lead_time_days", True, "nodes below the hub have no lead time"),
        ("stock targets", "supplier_orders", "", False, "units on order are not counted as coming"),
        ("stock targets", "policies", "", False, "one cycle service level for everything, from the settings"),
        ("transfers", "lanes", "cost_per_unit", True, "no transfer is planned"),
        ("transfers", "skus", "weight_kg", False, "the cost per kg of a lane is left out"),
        ("transfers", "shipments", "", False, "transfers under way are not counted as coming"),
        ("transfers", "skus", "case_pack_units", False, "units move singly"),
        ("order routing", "ecom_orders", "", True, "no order to route"),
        ("order routing", "service_zones", "final_mile_cost_per_unit", True, "the last mile costs the same from everywhere"),
        ("order routing", "service_zones", "delivery_days", True, "no promise can be checked"),
        ("network design", "nodes", "fixed_cost_per_year", True, "a node costs nothing to open"),
        ("network design", "nodes", "latitude", True, "no distance is known"),
        ("network design", "regions", "latitude", True, "no distance is known"),
        ("network design", "nodes", "capacity_m3", False, "a node holds anything"),
        ("returns", "returns", "", True, "nothing comes back"),
        ("returns", "returns", "order_id", False, "no return lag: a return cannot be held against its order"),
        ("on time", "shipments", "promised_date", True, "no promise to hold a delivery against"),
        ("on time", "shipments", "delivered_at", True, "no delivery is known"),
    )
)


def readiness(warehouse: duckdb.DuckDBPyConnection, settings: Settings) -> pd.DataFrame:
    """One row per capability and requirement: ready, incomplete, missing or not applicable, and what that switches off."""
    rows = []
    for need in REQUIREMENTS:
        counted = warehouse.execute(f"select count(*), count({need.column or '*'}) from raw.{need.feed}").fetchone() or (0, 0)
        share = counted[1] / counted[0] if counted[0] else 0.0
        if need.feed not in settings.feeds:
            status = "not applicable"
        elif share == 0:
            status = "missing"
        else:
            status = "ready" if share >= _MOSTLY or need.column in _FILLED_LATER else "incomplete"
        rows.append(
            (need.capability, need.feed, need.column, need.is_essential, status, share, "" if status == "ready" else need.without_it)
        )
    return pd.DataFrame(rows, columns=["capability", "feed", "column_name", "is_essential", "status", "filled_share", "without_it"])
