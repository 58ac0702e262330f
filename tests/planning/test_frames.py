import pandas as pd
import pytest

from planning.errors import FrameError
from planning.frame import Frame
from planning.frames import DECISIONS, FEEDS, POS_SALES, STOCK_TARGETS
from planning.vocabulary import COLUMNS

LINE = {
    "receipt_id": "r",
    "line_number": 1,
    "sold_at": pd.Timestamp("2026-01-01"),
    "node_id": "n",
    "sku_id": "s",
    "sold_units": 2,
    "unit_price": 1.0,
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sold_units": -1}, "pos_sales: sold_units is outside"),
        ({"sold_units": 1.5}, "pos_sales: sold_units is not whole in 1 of 1 rows (r, 1)"),
        ({"sold_units": float("inf")}, "is infinite"),
        ({"sku_id": None}, "sku_id is null"),
    ],
)
def test_a_frame_names_the_table_the_rows_and_the_remedy(change: dict, said: str) -> None:
    with pytest.raises(FrameError) as error:
        POS_SALES.check(pd.DataFrame([LINE | change]))
    assert said in str(error.value)


def test_a_repeated_key_is_refused_and_a_missing_column_is_named() -> None:
    with pytest.raises(FrameError, match=r"the key .receipt_id, line_number. repeats in 2 of 2 rows"):
        POS_SALES.check(pd.DataFrame([LINE, LINE]))
    with pytest.raises(FrameError, match="lacks column node_id"):
        POS_SALES.check(pd.DataFrame([LINE]).drop(columns="node_id"))


@pytest.mark.parametrize("frame", [*FEEDS.values(), *DECISIONS.values()], ids=lambda f: f.name)
def test_every_column_is_in_the_vocabulary_and_every_key_is_a_column(frame: Frame) -> None:
    assert set(frame.keys) <= set(frame.fields)
    assert set(frame.allowed) <= set(frame.fields)


def test_the_unit_stands_last_in_the_name_of_every_number() -> None:
    units = ("_units", "_units_per_day", "_days", "_cost", "_cost_per_unit", "_cost_per_year", "_kg", "_m3", "_rate", "_share", "_level", "_number",
             "_price", "_gain", "_per_kg", "_per_shipment", "_rate_per_year", "_per_unit", "_value", "_target", "_correlation", "_before", "_after", "_count", "_per_year", "_score")  # fmt: skip
    plain = {
        "quantile",
        "dispersion",
        "latitude",
        "longitude",
        "priority",
        "score",
        "days_of_supply",
        "exception_rank",
        "spread_rank",
        "lost_margin",
    }
    numbers = [c.name for c in COLUMNS.values() if c.kind in ("integer", "decimal", "float") and c.name not in plain]
    assert [name for name in numbers if not name.endswith(units)] == []


def test_targets_are_the_contract_of_the_design() -> None:
    wanted = "as_of_date sku_id node_id is_stocked cycle_service_level protection_days demand_mean_units safety_stock_units reorder_point_units order_up_to_units method"
    assert set(wanted.split()) <= set(STOCK_TARGETS.fields)
