"""Facts from lines: held until a master comes, units conserved, windows that cost no more than what changed."""

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings, strategies

from orchestration import landing, ops_store, ops_tables, raw_tables, run_day
from orchestration.dbt import SECOND_PASS, invoke
from orchestration.settings import Settings
from orchestration.warehouse import open_warehouse
from tests.orchestration.test_ingest import lines, make, put

DAY = dt.date(2026, 1, 8)
NODES = "node_id,node_type,region_id\nn,store,r\n"
SKUS = "sku_id,unit_cost,unit_price\ns,1,2\n"


def company(folder: Path, **more: dict) -> Settings:
    """A store, a region and a SKU, nothing sold yet."""
    chosen = make(folder, **{feed: {} for feed in ("nodes", "regions", "skus", "returns", "ecom_orders")}, **more)
    put(chosen, "n.csv", NODES, "nodes")
    put(chosen, "r.csv", "region_id\nr\n", "regions")
    put(chosen, "s.csv", SKUS, "skus")
    return chosen


def build(chosen: Settings, day: dt.date = DAY) -> run_day.RunDay:
    """Load what waits and build the facts of the first pass, tests included."""
    landing.land_inbox(chosen, settle_seconds=0)
    with ops_store.open_store(chosen.ops) as store:
        ledger = ops_store.deliveries(store)
    with open_warehouse(chosen.warehouse) as warehouse:
        raw_tables.create_tables(warehouse)
        ops_tables.create_decision_tables(warehouse)
        for feed in raw_tables.LOAD_ORDER:
            raw_tables.load_feed(warehouse, chosen, feed, ledger)
        opened = run_day.open_day(warehouse, chosen, ledger, day, run_day.nothing_open())
        fresh = run_day.facts_stand(warehouse)
    command = ["build", "--exclude-resource-type", "unit_test", "--exclude", *SECOND_PASS.split(), *([] if fresh else ["--full-refresh"])]
    built, _ = invoke(command, folder=chosen.data_dir / "dbt", warehouse=chosen.warehouse)
    assert [(r.node.name, r.message) for r in built.results if r.status not in ("success", "pass")] == []
    with open_warehouse(chosen.warehouse) as warehouse:
        run_day.mark_facts_built(warehouse, opened)
    return opened


def ask(chosen: Settings, query: str) -> list[tuple]:
    with open_warehouse(chosen.warehouse) as warehouse:
        return warehouse.execute(query).fetchall()


def sale(n: int, *, sku: str = "s", node: str = "n", units: int = 1, day: int = 5) -> str:
    return f"r{n},1,2026-01-{day:02d}T10:00:00Z,{node},{sku},{units},1.0"


def test_lines_of_unknown_masters_are_held_and_released_when_a_master_names_them(tmp_path: Path) -> None:
    """Reliability 13: totals are conserved before and after."""
    chosen = company(tmp_path)
    put(chosen, "a.csv", lines(sale(1, units=2), sale(2, sku="new", units=3), sale(3, node="far", units=5)))
    build(chosen)
    held = "select reason, count(*) from intermediate.int_held_lines group by all order by all"
    assert ask(chosen, held) == [("node_id:unknown", 1), ("sku_id:unknown", 1)]
    assert ask(chosen, "select sum(pos_units)::int from intermediate.int_demand_events_daily") == [(2,)]
    put(chosen, "s2.csv", "sku_id,unit_cost,unit_price\nnew,1,2\n", "skus")
    opened = build(chosen)
    assert opened.changed_from_date == dt.date(2026, 1, 4)  # a day of slack, not the whole history
    assert ask(chosen, held) == [("node_id:unknown", 1)]
    put(chosen, "n2.csv", "node_id,node_type,region_id\nfar,store,r\n", "nodes")
    build(chosen)
    assert ask(chosen, held) == []
    assert ask(chosen, "select sum(pos_units)::int from intermediate.int_demand_events_daily") == [(10,)]
    assert ask(chosen, "select count(*) from raw.pos_sales") == [(3,)]


def test_a_master_that_comes_again_with_another_cost_changes_no_day_that_is_built(tmp_path: Path) -> None:
    chosen = company(tmp_path)
    put(chosen, "a.csv", lines(sale(1), sale(2, day=8)))
    build(chosen)
    put(chosen, "s2.csv", "sku_id,unit_cost,unit_price\ns,7,9\n", "skus")
    put(chosen, "n2.csv", "node_id,node_type,region_id,capacity_m3\nn,store,r,50\n", "nodes")
    assert build(chosen).changed_from_date == DAY
    put(chosen, "n3.csv", "node_id,node_type,region_id,time_zone\nn,store,r,Asia/Tokyo\n", "nodes")
    assert build(chosen).changed_from_date == dt.date(2026, 1, 4)


def test_a_late_line_builds_its_own_day_again_and_nothing_before(tmp_path: Path) -> None:
    """Reliability 3."""
    chosen = company(tmp_path)
    put(chosen, "a.csv", lines(sale(1, day=2), sale(2, day=8)))
    build(chosen)
    put(chosen, "b.csv", lines(sale(3, day=6, units=4)))
    assert build(chosen).changed_from_date == dt.date(2026, 1, 5)
    found = ask(chosen, "select demand_date::varchar, pos_units from intermediate.int_demand_events_daily order by all")
    assert found == [("2026-01-02", 1), ("2026-01-06", 4), ("2026-01-08", 1)]


_LINE = strategies.tuples(
    strategies.integers(1, 8), strategies.integers(0, 9), strategies.sampled_from(["pos", "placed", "cancelled", "back"])
)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=strategies.lists(_LINE, min_size=1, max_size=25))
def test_units_asked_for_cancelled_and_returned_are_those_of_the_lines(tmp_path_factory, rows: list[tuple[int, int, str]]) -> None:
    """Reliability 14: returns may exceed sales; demand is net of cancellations, returns stand apart."""
    chosen = company(tmp_path_factory.mktemp("units"))
    sold = [sale(n, units=units, day=day) for n, (day, units, kind) in enumerate(rows) if kind == "pos"]
    asked = [
        f"o{n},1,2026-01-{day:02d}T10:00:00Z,s,{units},r,{kind}"
        for n, (day, units, kind) in enumerate(rows)
        if kind in ("placed", "cancelled")
    ]
    back = [f"t{n},1,2026-01-{day:02d}T10:00:00Z,n,s,{units},saleable" for n, (day, units, kind) in enumerate(rows) if kind == "back"]
    put(chosen, "a.csv", lines(*sold))
    put(
        chosen,
        "o.csv",
        "\n".join(["order_id,line_number,ordered_at,sku_id,ordered_units,ship_to_region_id,status", *asked]) + "\n",
        "ecom_orders",
    )
    put(chosen, "t.csv", "\n".join(["return_id,line_number,returned_at,node_id,sku_id,returned_units,condition", *back]) + "\n", "returns")
    build(chosen)
    totals = {kind: sum(units for _, units, k in rows if k == kind) for kind in ("pos", "placed", "cancelled", "back")}
    (found,) = ask(
        chosen,
        """select coalesce(sum(pos_units), 0)::int, coalesce(sum(ecom_units), 0)::int, coalesce(sum(cancelled_units), 0)::int,
                  coalesce(sum(returned_units), 0)::int from intermediate.int_demand_events_daily""",
    )
    assert found == (totals["pos"], totals["placed"] + totals["cancelled"], totals["cancelled"], totals["back"])
    (stock,) = ask(chosen, "select coalesce(sum(sold_units), 0)::int, coalesce(sum(returned_units), 0)::int from marts.fct_sku_node_daily")
    assert stock == (totals["pos"], totals["back"])


def test_a_sale_belongs_to_the_day_of_its_node_s_own_clock_also_on_days_of_23_and_25_hours(tmp_path: Path) -> None:
    """Reliability 16: half past midnight and half past eleven at night, in three zones west and east, on both days the clocks change."""
    zones = {"a": "America/New_York", "b": "Europe/Berlin", "c": "Australia/Lord_Howe"}  # the last one moves by half an hour
    days = {"a": ("2025-03-09", "2025-11-02"), "b": ("2025-03-30", "2025-10-26"), "c": ("2025-10-05", "2025-04-06")}
    chosen = company(tmp_path).model_copy(update={"first_date": dt.date(2025, 1, 1)})
    put(chosen, "n.csv", "node_id,node_type,region_id,time_zone\n" + "".join(f"{n},store,r,{z}\n" for n, z in zones.items()), "nodes")
    moments = [
        (node, day, dt.datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=ZoneInfo(zones[node])).astimezone(dt.UTC))
        for node, both in days.items()
        for day in both
        for clock in ("00:30", "23:30")
    ]
    put(chosen, "a.csv", lines(*(f"r{n},1,{moment.isoformat()},{node},s,1,1.0" for n, (node, _, moment) in enumerate(moments))))
    build(chosen, dt.date(2025, 12, 31))
    found = ask(chosen, "select node_id, business_date::varchar, count(*)::int from staging.stg_pos__sales group by all order by all")
    assert found == sorted((node, day, 2) for node, both in days.items() for day in both)


def test_a_line_that_is_corrected_to_a_later_day_leaves_its_old_day(tmp_path: Path) -> None:
    """Reliability 2: otherwise its units would stand on both days."""
    chosen = company(tmp_path)
    put(chosen, "a.csv", lines(sale(1, day=2, units=3), sale(2, day=8)))
    order = "order_id,line_number,ordered_at,sku_id,ordered_units,ship_to_region_id,status\no,1,2026-01-{}T10:00:00Z,s,5,r,placed\n"
    put(chosen, "o.csv", order.format("02"), "ecom_orders")
    build(chosen)
    put(chosen, "b.csv", lines(sale(1, day=7, units=3)))
    put(chosen, "p.csv", order.format("06"), "ecom_orders")
    assert build(chosen).changed_from_date == dt.date(2026, 1, 1)
    found = ask(chosen, "select demand_date::varchar, pos_units, ecom_units from intermediate.int_demand_events_daily order by all")
    assert found == [("2026-01-06", 0, 5), ("2026-01-07", 3, 0), ("2026-01-08", 1, 0)]
    assert ask(chosen, "select sum(sold_units)::int from marts.fct_sku_node_daily") == [(4,)]


def test_a_promotion_that_starts_later_than_first_said_opens_the_days_it_leaves(tmp_path: Path) -> None:
    chosen = company(tmp_path, marketing_calendar={})
    promotion = "promotion_id,sku_id,start_date,end_date,known_from_date\np,s,2026-01-{},2026-01-31,2026-01-01\n"
    put(chosen, "a.csv", lines(sale(1, day=1), sale(2, day=8)))
    put(chosen, "m.csv", promotion.format("03"), "marketing_calendar")
    build(chosen)
    put(chosen, "n.csv", promotion.format("06"), "marketing_calendar")
    assert build(chosen).changed_from_date == dt.date(2026, 1, 3)
    put(chosen, "again.csv", promotion.format("06").replace("\n", "\r\n"), "marketing_calendar")
    assert build(chosen).changed_from_date == DAY
