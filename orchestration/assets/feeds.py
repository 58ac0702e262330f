"""Stage 1: files in the inbox become `raw.<feed>`, the typed contract, and the day of the run.

Belongs here: the order of landing, loading and opening the day. Does not: how a file is read (`landing.py`) or which line
counts (`raw_tables.py`).
"""

from collections.abc import Iterator

import dagster as dg

from orchestration import gates, ops_store, raw_tables, run_day, transfer_ledger
from orchestration.deployment import Deployment
from orchestration.housekeeping import refuse_a_full_disk
from orchestration.landing import land_inbox
from orchestration.metadata import frame_schema
from orchestration.open_moves import open_moves
from orchestration.partitions import ONE_RUN_A_DAY, OWNERS, POOL, as_of_date
from planning.frames import FEEDS

LEDGER = dg.AssetKey(["ops", "ledger"])
FILES = dg.AssetKey(["raw", "delivered_files"])
RUN_DAY, STATES, RESERVED = (dg.AssetKey(["raw", name]) for name in ("run_day", "transfer_states", "reserved_units"))


def build_feeds(partitions: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Assets of the stage."""
    shared = {"partitions_def": partitions, "backfill_policy": ONE_RUN_A_DAY}

    @dg.asset(key=LEDGER, group_name="raw", owners=OWNERS, kinds={"sqlite"}, **shared, description="One row per delivered file.")
    def ledger(context: dg.AssetExecutionContext, deployment: dg.ResourceParam[Deployment]) -> dg.MaterializeResult:
        gates.refuse_past_days(deployment, as_of_date(context))
        refuse_a_full_disk(deployment.settings)
        landed = land_inbox(deployment.settings)
        return dg.MaterializeResult(
            metadata={"landed_file_count": landed.landed, "duplicate_file_count": landed.duplicates, "rejected_file_count": landed.rejected}
        )

    specs = [
        dg.AssetSpec(
            ["raw", feed],
            deps=[LEDGER],
            group_name="raw",
            owners=OWNERS,
            kinds={"duckdb"},
            description=f"One row per {frame.grain}, as delivered and typed.",
            metadata={"dagster/column_schema": frame_schema(frame)},
        )
        for feed, frame in FEEDS.items()
    ]
    specs.append(
        dg.AssetSpec(
            FILES, deps=[LEDGER], group_name="raw", owners=OWNERS, kinds={"duckdb"},
            description="One row per delivered file that was loaded: whether its sender's manifest vouched for it.",
        )
    )  # fmt: skip

    @dg.multi_asset(name="raw_feeds", specs=specs, pool=POOL, **shared)
    def raw_feeds(context: dg.AssetExecutionContext, deployment: dg.ResourceParam[Deployment]) -> Iterator[dg.MaterializeResult]:
        with deployment.ops() as store:
            deliveries = ops_store.deliveries(store)
        with deployment.warehouse() as warehouse:
            raw_tables.create_tables(warehouse)
            for feed in raw_tables.LOAD_ORDER:
                loaded = raw_tables.load_feed(warehouse, deployment.settings, feed, deliveries)
                count = warehouse.execute(f"select count(*) from raw.{feed}").fetchone()
                lines = {f"{status}_line_count": lines for status, lines in loaded.lines.items()}
                yield dg.MaterializeResult(
                    asset_key=["raw", feed], metadata={"dagster/row_count": count[0], "file_count": loaded.files, **lines}
                )
            count = warehouse.execute("select count(*), count(*) filter (where is_verified) from raw.delivered_files").fetchone()
            yield dg.MaterializeResult(asset_key=FILES, metadata={"dagster/row_count": count[0], "verified_file_count": count[1]})

    opened = {
        RUN_DAY: "One row: the day of the plan, the last delivery and ledger entry it knows, and the first day whose facts change.",
        STATES: "One row per transfer or replenishment of an earlier plan that is open when the day begins, and per transfer of the last two months.",
        RESERVED: "One row per SKU and node of which units are reserved for orders when the day begins.",
    }

    @dg.multi_asset(
        name="raw_run_day", pool=POOL, **shared,
        specs=[
            dg.AssetSpec(key, deps=[["raw", feed] for feed in FEEDS], group_name="raw", owners=OWNERS, kinds={"duckdb"}, description=said)
            for key, said in opened.items()
        ],
    )  # fmt: skip
    def raw_run_day(context: dg.AssetExecutionContext, deployment: dg.ResourceParam[Deployment]) -> Iterator[dg.MaterializeResult]:
        with deployment.ops() as store:
            deliveries = ops_store.deliveries(store)
            moves = open_moves(store, as_of_date(context))
        with deployment.warehouse() as warehouse:
            day = run_day.open_day(warehouse, deployment.settings, deliveries, as_of_date(context), moves)
        window = (day.as_of_date - day.changed_from_date).days + 1
        yield dg.MaterializeResult(
            asset_key=RUN_DAY,
            metadata={"ledger_sequence": day.ledger_sequence, "window_days": window, "input_hash": day.input_hash},
        )
        is_open = moves.transfers["state"].isin(transfer_ledger.OPEN)
        yield dg.MaterializeResult(
            asset_key=STATES, metadata={"dagster/row_count": len(moves.transfers), "open_transfer_count": int(is_open.sum())}
        )
        yield dg.MaterializeResult(
            asset_key=RESERVED,
            metadata={"dagster/row_count": len(moves.reserved), "reserved_units": int(moves.reserved["reserved_units"].sum())},
        )

    return [ledger, raw_feeds, raw_run_day]
