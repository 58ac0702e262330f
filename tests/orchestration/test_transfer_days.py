"""Sixty days of planning, approving, issuing and confirming on the real ledger, with receipts that are partial, late, too many or never come."""

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd

from orchestration import availability, handover, receipts, transfer_ledger
from orchestration.deployment import Deployment
from orchestration.receipts import Advice
from planning.transfers import plan_transfers
from tests.orchestration.test_governance import ZONES, deployment, stock
from tests.planning.test_transfers import NO_BLOCKED, demand, lanes, positions, rules, values

NODES, SKUS = ["n0", "n1", "n2"], [f"s{k}" for k in range(8)]
START = dt.date(2026, 2, 1)


class Company:
    """Physical stock, customers, vans; what the ledger knows of it, it knows by advices alone."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.rng, self.made = np.random.default_rng(seed), deployment(folder)
        self.shelf = {(s, n): int(self.rng.integers(0, 60)) for s in SKUS for n in NODES}
        self.began, self.supplied, self.sold, self.found = sum(self.shelf.values()), 0, 0, 0
        self.rolling: list[
            tuple[int, str, tuple[str, str], int, bool]
        ] = []  # day due, transfer, shelf, units, whether it is the last of it
        self.advices = 0

    def open_moves(self, day: dt.date) -> pd.DataFrame:
        with self.made.ops() as store:
            states = transfer_ledger.states_through(
                store, event_sequence=transfer_ledger.last_event(store), before_day=day.isoformat(), since_day="0000"
            )
        return states[states["state"].isin(transfer_ledger.OPEN)]

    def plan(self, day: dt.date) -> pd.DataFrame:
        """Lines of the day, from the stock as counted and what the ledger holds open."""
        moves = self.open_moves(day)
        table = pd.concat([positions([self.shelf[s, n] for n in NODES], sku_id=s) for s in SKUS], ignore_index=True)
        key = pd.MultiIndex.from_frame(table[["sku_id", "node_id"]])
        waiting = moves[moves["state"] != "shipped"]  # what has left is off the shelf already
        reserved = waiting.groupby(["sku_id", "origin_node_id"])["transfer_units"].sum().reindex(key).fillna(0).to_numpy()
        inbound = moves.groupby(["sku_id", "destination_node_id"])["transfer_units"].sum().reindex(key).fillna(0).to_numpy()
        table = table.assign(reserved_units=np.minimum(reserved, table["on_hand_units"]).astype(int), inbound_units=inbound.astype(int))
        sampled = demand(np.random.default_rng(1).poisson(20, (len(table), 64)))
        position = (table["on_hand_units"] - table["reserved_units"] + table["inbound_units"]).tolist()
        lane = lanes([(a, b) for a in NODES for b in NODES if a != b], 1.0).assign(ship_date=pd.Timestamp(day) + pd.Timedelta(days=1))
        columns = ["transfer_id", "sku_id", "origin_node_id", "destination_node_id", "mode", "ship_date", "transfer_units"]
        return plan_transfers(
            positions=table, demand=sampled, values=values(sampled, position), units_per_day=np.full(len(table), 3.0), lanes=lane,
            open_transfers=waiting[columns], blocked_lines=NO_BLOCKED, as_of_date=pd.Timestamp(day), rules=rules(least=1.0),
        ).lines  # fmt: skip

    def enter(self, day: dt.date, lines: pd.DataFrame) -> list[str]:
        """Record, approve and issue the lines."""
        names = [
            "transfer_id",
            "sku_id",
            "origin_node_id",
            "destination_node_id",
            "mode",
            "transfer_cost",
            "expected_gain",
            "net_gain",
            "reason_code",
            "explanation",
        ]
        dates = {name: lines[name].astype(str) for name in ("ship_date", "arrival_date")}
        orders = lines[names].assign(
            order_kind="transfer",
            as_of_date=day.isoformat(),
            planned_units=lines["transfer_units"],
            case_pack_units=1,
            is_shadow=0,
            **dates,
        )
        with self.made.ops() as store:
            transfer_ledger.record_plan(store, orders, as_of_date=day.isoformat())
            availability.record_stock(store, stock(self.shelf), ZONES, as_of_date=day.isoformat(), at=transfer_ledger.now())
            store.commit()
            transfer_ledger.decide(store, lines["transfer_id"].tolist(), "approved", actor="ann")
        ids = lines["transfer_id"].tolist()
        return (
            [t.transfer_id for t in handover.issue(self.made, ids, actor="ann", today=day).transfers if t.state == "issued"] if ids else []
        )

    def advise(self, transfer_id: str, state: str, units: int) -> None:
        self.advices += 1
        with self.made.ops() as store:
            done = receipts.confirm(store, [Advice(transfer_id, state, units, f"a{self.advices}")], actor="wms")
        assert done.problems == []

    def ship(self, ids: list[str], today: int) -> None:
        """Pickers find less than was asked for, now and then; vans are late, lose units, or bring more than anybody shipped."""
        with self.made.ops() as store:
            moved = transfer_ledger.find(store, ids=ids) if ids else []
        for t in moved:
            there = self.shelf[t.sku_id, t.origin_node_id]
            units = min(there, t.units if self.rng.random() < 0.7 else int(self.rng.integers(0, t.units + 1)))
            self.shelf[t.sku_id, t.origin_node_id] -= units
            self.advise(t.transfer_id, "shipped", units)
            fate, due, shelf = self.rng.random(), today + int(self.rng.integers(1, 6)), (t.sku_id, t.destination_node_id)
            if fate < 0.1:
                arriving = 0
            elif fate < 0.25:
                arriving = int(self.rng.integers(0, units + 1))
            elif fate < 0.35:
                arriving = units + 2
            else:
                arriving = units
            half = arriving // 2 if self.rng.random() < 0.3 else 0
            if half:
                self.rolling.append((due, t.transfer_id, shelf, half, False))
            self.rolling.append((due + 1, t.transfer_id, shelf, arriving - half, True))

    def receive(self, today: int) -> None:
        for _, transfer_id, shelf, units, is_last in [r for r in self.rolling if r[0] == today]:
            self.shelf[shelf] += units
            self.advise(transfer_id, "received", units)
            if not is_last:
                continue
            with self.made.ops() as store:
                if transfer_ledger.get(store, transfer_id).state == "received":
                    receipts.close_with_difference(store, transfer_id, actor="ann", reason="counted again")
        self.rolling = [r for r in self.rolling if r[0] > today]

    def trade(self) -> None:
        for key in self.shelf:
            units = min(self.shelf[key], int(self.rng.poisson(2)))
            self.shelf[key] -= units
            self.sold += units
        for s in SKUS:
            if self.rng.random() < 0.3:
                self.shelf[s, "n0"] += 15
                self.supplied += 15

    def accounts(self) -> tuple[int, int]:
        """Units under way, and units lost less found, as the ledger alone tells them."""
        rolling = lost = 0
        with self.made.ops() as store:
            for t in transfer_ledger.find(store):
                moved = receipts.moved_units(store, t.transfer_id)
                difference = moved.get("shipped", 0) - moved.get("received", 0)
                rolling += difference if t.state != "closed" else 0
                lost += difference if t.state == "closed" else 0
        return rolling, lost


def test_over_sixty_days_every_unit_is_on_a_shelf_sold_under_way_or_written_off(tmp_path: Path) -> None:
    company = Company(tmp_path, seed=5)
    closed = 0
    for number in range(60):
        day = START + dt.timedelta(days=number)
        company.receive(number)
        company.trade()
        lines = company.plan(day)
        company.ship(company.enter(day, lines), number)
        rolling, lost = company.accounts()
        assert company.began + company.supplied == sum(company.shelf.values()) + company.sold + rolling + lost, day
        assert all(units >= 0 for units in company.shelf.values())
    with company.made.ops() as store:
        closed = len(transfer_ledger.find(store, states=("closed",)))
    assert closed > 100
    assert lost != 0


def test_planning_again_without_receipts_proposes_nothing_new(tmp_path: Path) -> None:
    company = Company(tmp_path, seed=6)
    first = company.plan(START)
    assert len(first) > 3
    company.enter(START, first)
    assert company.plan(START + dt.timedelta(days=1)).empty


def test_what_was_only_proposed_is_proposed_again(tmp_path: Path) -> None:
    company = Company(tmp_path, seed=6)
    made: Deployment = company.made
    first = company.plan(START)
    with made.ops() as store:
        assert transfer_ledger.find(store) == []
    again = company.plan(START + dt.timedelta(days=1))
    assert again["transfer_units"].sum() == first["transfer_units"].sum()
