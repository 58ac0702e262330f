"""The demo company as a deployment: its inbox and its settings.

Belongs here: writing the folder that `nodewise run` then works on. Does not: running it (`orchestration/cli.py`).
"""

from pathlib import Path

import pandas as pd
import yaml

from demo.feeds import write_feeds
from demo.network import COUNTRY, TIME_ZONE
from demo.simulator import company, simulate

LAST_DAY = "2026-10-31"
_POS_COLUMNS = {
    "receipt_id": "ReceiptNo",
    "line_number": "Line",
    "sold_at": "Timestamp",
    "node_id": "Store",
    "sku_id": "Item",
    "sold_units": "Qty",
    "unit_price": "Price",
}


def settings(*, first_day: pd.Timestamp) -> dict[str, object]:
    """The settings of the deployment, as they stand in its `settings.yaml`."""
    daily = ("ecom_orders", "returns", "inventory_snapshots", "shipments", "supplier_orders", "external_signals")
    masters = ("skus", "nodes", "regions", "lanes", "service_zones", "policies", "prices", "marketing_calendar", "aggregate_history")
    feeds: dict[str, object] = {"pos_sales": {"required": True, "max_age_days": 1, "columns": _POS_COLUMNS}}
    required = ("ecom_orders", "inventory_snapshots", "shipments")
    feeds |= {name: {"required": True, "max_age_days": 1} if name in required else {} for name in daily}
    feeds |= {name: {} for name in masters}
    return {
        "currency": "EUR",
        "time_zone": TIME_ZONE,
        "data_dir": ".",
        "first_date": first_day.strftime("%Y-%m-%d"),
        "schedule": {"cron": "0 6 * * *", "is_active": False},
        "feeds": feeds,
        "governance": {"issue_within_days": None},  # its days lie in the past or in the future
        "hand_over": {"formats": ["x12", "csv", "json", "people"]},
        "forecast": {"holiday_country": COUNTRY, "trees": 200, "leaves": 31, "training_rows": 300_000},
    }


def write_company(folder: Path, *, sku_count: int, day_count: int, last_day: str, seed: int, daily_days: int = 28) -> Path:
    """Write inbox and settings of the demo company into ``folder`` and return the path of its settings.

    The same arguments always write the same bytes.
    """
    state = simulate(company(sku_count=sku_count, day_count=day_count, last_day=pd.Timestamp(last_day), seed=seed))
    write_feeds(state, folder / "inbox", daily_days=daily_days)
    path = folder / "settings.yaml"
    path.write_text(yaml.safe_dump(settings(first_day=state.days[0]), sort_keys=False), encoding="utf-8")
    return path
