"""The demo company in motion: demand meets finite stock, day after day, and every unit is accounted for.

Belongs here: the state of the company and what one day does to it, vectorised over SKUs. Does not: how events are written
to files (`feeds.py`). Units are conserved: on hand tonight = on hand last night + received + saleable returns - POS sales
- customer shipments - transfers out + adjustment.
"""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from demo.catalogue import Catalogue, catalogue, promotion_lift, promotions, season
from demo.network import NODES, REGIONS, lanes, service_zones

_WEEKDAY_ECOM = np.array([1.1, 1.0, 0.95, 0.95, 1.0, 0.95, 1.15])
_WEEKDAY_STORE = np.array([0.8, 0.85, 0.9, 1.0, 1.25, 1.6, 0.0])  # closed on Sunday
_LAST_BUY_DAYS = 60  # before its last day of sale a SKU is bought for the last time
_CANCELLED_WHEN_SHORT, _LATE, _RETURNED, _SHRINK = 0.15, 0.1, 0.06, 0.0002


@dataclass
class Events:
    """What happened, as columns appended day by day; `table` joins them."""

    parts: dict[str, list[dict[str, np.ndarray]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, name: str, **columns: object) -> None:
        """Append one day's rows; scalars are repeated."""
        size = min((np.size(c) for c in columns.values() if np.ndim(c)), default=1)
        if size:
            self.parts[name].append({k: np.broadcast_to(np.asarray(c), size).copy() for k, c in columns.items()})

    def table(self, name: str) -> pd.DataFrame:
        """All rows of one kind of event in the order they happened."""
        parts = self.parts[name]
        return pd.DataFrame({k: np.concatenate([p[k] for p in parts]) for k in parts[0]}) if parts else pd.DataFrame()


@dataclass
class Company:
    """State of the company between two days. Arrays are (nodes, skus) unless said."""

    catalogue: Catalogue
    days: pd.DatetimeIndex
    promotion: pd.DataFrame
    ecom_mean: np.ndarray  # (days, regions, skus)
    store_mean: np.ndarray  # (days, skus)
    carried: np.ndarray
    target: np.ndarray
    on_hand: np.ndarray
    reserved: np.ndarray
    inbound: np.ndarray
    rng: np.random.Generator
    arriving: dict[int, list[tuple]] = field(default_factory=lambda: defaultdict(list))
    returning: dict[int, list[tuple]] = field(default_factory=lambda: defaultdict(list))
    delivering: dict[int, list[dict[str, np.ndarray]]] = field(default_factory=lambda: defaultdict(list))
    waiting: dict[str, np.ndarray] | None = None
    documents: int = 0
    events: Events = field(default_factory=Events)

    def number(self, count: int) -> np.ndarray:
        """The next document numbers."""
        self.documents += count
        return np.arange(self.documents - count, self.documents)


_NODE = {node: i for i, node in enumerate(NODES["node_id"])}
_PARENT = NODES["replenished_from_node_id"].map(lambda node: _NODE.get(node, -1)).to_numpy()
_STORES = [_NODE["STORE-BERLIN"], _NODE["STORE-MUNICH"]]
_BONDED, _HUB = _NODE["BONDED-BREMERHAVEN"], _NODE["HUB-KASSEL"]
_LEAD = {(_NODE[r.origin_node_id], _NODE[r.destination_node_id]): r for r in lanes().itertuples()}
_SERVED_BY = [
    [(_NODE[n], d) for n, d in zip(zone["node_id"], zone["delivery_days"], strict=True)]
    for _, zone in service_zones().groupby(pd.Categorical(service_zones()["region_id"], REGIONS["region_id"]), observed=True)
]
_RETURNS_TO = [next(n for n, _ in nodes if NODES["node_type"][n] == "regional_dc") for nodes in _SERVED_BY]


def company(*, sku_count: int, day_count: int, last_day: pd.Timestamp, seed: int) -> Company:
    """Open the company with stock on its shelves on the evening before its first day."""
    days = pd.date_range(end=last_day, periods=day_count, freq="D")
    goods = catalogue(sku_count=sku_count, first_day=days[0], last_day=last_day, seed=seed)
    rng = np.random.default_rng([seed, 4])
    skus, n_skus = goods.skus, sku_count
    promotion = promotions(skus, days[0], last_day, seed)
    lift = promotion_lift(promotion, skus, list(REGIONS["region_id"]), days)
    sold = (days.to_numpy()[:, None] >= skus["launched_date"].to_numpy()[None, :]) & ~(
        days.to_numpy()[:, None] > skus["retired_date"].to_numpy()[None, :]
    )
    ramp = np.clip((days.to_numpy()[:, None] - skus["launched_date"].to_numpy()[None, :]) / np.timedelta64(30, "D"), 0.3, 1.0)
    warm = 1 + 0.15 * np.sin(np.arange(day_count) / 9.0 + seed)[:, None] * (skus["category"] == "garden").to_numpy()
    level = goods.rate * season(skus["category"], days) * ramp * warm * sold
    weekday = days.day_of_week.to_numpy()
    taste = rng.gamma(8.0, 1 / 8.0, (len(REGIONS), n_skus)) * (REGIONS["weight"] / REGIONS["weight"].sum()).to_numpy()[:, None]
    ecom = 0.8 * level[:, None, :] * taste * _WEEKDAY_ECOM[weekday][:, None, None] * lift
    store = 0.1 * level * _WEEKDAY_STORE[weekday][:, None]
    carried = _assortment(goods, rng)
    target = _base_stock(goods, carried, ecom.mean(axis=0), rng)
    return Company(goods, days, promotion, ecom, store, carried, target, target.copy(), np.zeros_like(target), np.zeros_like(target), rng)


def _assortment(goods: Catalogue, rng: np.random.Generator) -> np.ndarray:
    n_skus = len(goods.rate)
    rank = np.argsort(np.argsort(-goods.rate)) / n_skus
    carried = np.ones((len(NODES), n_skus), bool)
    kind = NODES["node_type"].to_numpy()
    bulky = goods.skus["is_bulky"].to_numpy()
    carried[kind == "urban_mfc"] = (rank < 0.7) & ~bulky
    carried[kind == "store"] = (rank < 0.5) & ~bulky
    carried[kind == "bonded"] = goods.is_bonded
    return carried & ~((kind == "urban_mfc")[:, None] & (rng.random((len(NODES), n_skus)) < 0.05))


def _base_stock(goods: Catalogue, carried: np.ndarray, region_mean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Order-up-to levels that are roughly right and locally wrong: the imbalance a planner lives with."""
    demand = np.zeros((len(NODES), len(goods.rate)))
    for r, served_by in enumerate(_SERVED_BY):
        demand[served_by[0][0]] += 0.75 * region_mean[r]
        demand[served_by[1][0]] += 0.25 * region_mean[r]
    demand[_STORES] += 0.1 * goods.rate
    days = np.where(NODES["node_type"] == "hub", 32, np.where(NODES["node_type"] == "bonded", 45, 16))[:, None]
    pooled = demand.copy()
    for node, parent in enumerate(_PARENT):
        if parent >= 0:
            pooled[parent] += demand[node]
    pooled[_HUB] += pooled[[n for n, p in enumerate(_PARENT) if p == _HUB]].sum(axis=0)
    pooled[_BONDED] = pooled[_HUB] * 0.5
    cover = days * rng.uniform(0.5, 1.6, pooled.shape)
    pack = goods.skus["case_pack_units"].to_numpy()
    return (np.ceil((pooled * cover + 1.0 * np.sqrt(pooled * days)) / pack) * pack * carried).astype(int)


def simulate(state: Company) -> Company:
    """Live through every day; the events stand in ``state.events``."""
    for day in range(len(state.days)):
        _receive(state, day)
        _take_returns(state, day)
        _ship_waiting(state, day)
        _sell_in_stores(state, day)
        _sell_online(state, day)
        _deliver(state, day)
        _replenish(state, day)
        _count(state, day)
    return state


def _receive(state: Company, day: int) -> None:
    for kind, number, origin, node, sku, units, shipped_day, promised in state.arriving.pop(day, []):
        short = state.rng.random(len(sku)) < 0.01
        received = units - np.where(short & (units > 1), 1, 0)
        np.add.at(state.on_hand, (node, sku), received)
        np.subtract.at(state.inbound, (node, sku), units)
        state.events.add(
            "moves", day=day, kind=kind, number=number, origin=origin, node=node, sku=sku, units=units, received=received,
            shipped_day=shipped_day, promised=promised, delivered=True,
        )  # fmt: skip


def _take_returns(state: Company, day: int) -> None:
    for region, sku, units, order in state.returning.pop(day, []):
        node = np.array(_RETURNS_TO)[region]
        kind = state.rng.choice(3, len(sku), p=[0.8, 0.12, 0.08])
        np.add.at(state.on_hand, (node, sku), np.where(kind == 0, units, 0))
        state.events.add("returns", day=day, node=node, sku=sku, units=units, kind=kind, order=order, number=state.number(len(sku)))


Lines = dict[str, np.ndarray]
_ORDER = ("order", "line", "sku", "region", "units", "ordered_day", "second", "promised")
_PARCEL = ("number", "node", "region", "sku", "units", "order", "shipped_day", "promised")


def _pick(lines: Lines, which: np.ndarray) -> Lines:
    return {name: values[which] for name, values in lines.items()}


def _ship_waiting(state: Company, day: int) -> None:
    lines, state.waiting = state.waiting, None
    if lines is None:
        return
    np.subtract.at(state.reserved, (lines["node"], lines["sku"]), lines["units"])
    gone = state.rng.random(len(lines["sku"])) < 0.05
    state.events.add("orders", day=day, status="cancelled", **{c: lines[c][gone] for c in _ORDER})
    _ship(state, day, _pick(lines, ~gone))


def _ship(state: Company, day: int, lines: Lines) -> None:
    count = len(lines["sku"])
    np.subtract.at(state.on_hand, (lines["node"], lines["sku"]), lines["units"])
    delay = state.rng.choice([0, 0, 0, 0, 0, 0, 0, 0, 1, 2], count)
    sent = lines | {"number": state.number(count), "shipped_day": np.full(count, day)}
    state.events.add("parcels", day=day, delivered=False, **{c: sent[c] for c in _PARCEL})
    due = day + lines["delivery_days"] + delay
    for when in np.unique(due):
        state.delivering[int(when)].append(_pick(sent, due == when))


def _deliver(state: Company, day: int) -> None:
    for lines in state.delivering.pop(day, []):
        state.events.add("parcels", day=day, delivered=True, **{c: lines[c] for c in _PARCEL})
        back = state.rng.binomial(lines["units"], _RETURNED)
        lag = state.rng.choice([6, 11, 17], len(back))
        for days in np.unique(lag[back > 0]):
            mine = (back > 0) & (lag == days)
            state.returning[day + int(days)].append((lines["region"][mine], lines["sku"][mine], back[mine], lines["order"][mine]))


def _sell_in_stores(state: Company, day: int) -> None:
    for node in _STORES:
        mean = state.store_mean[day] * state.carried[node]
        wanted = _draw(state, mean)
        free = state.on_hand[node] - state.reserved[node]
        sold = np.minimum(wanted, np.maximum(free, 0))
        state.on_hand[node] -= sold
        sku = state.rng.permutation(np.flatnonzero(sold))
        second = np.sort(state.rng.integers(9 * 3600, 20 * 3600, len(sku)))
        state.events.add("receipts", day=day, node=node, sku=sku, units=sold[sku], second=second, number=state.number(len(sku)))


def _draw(state: Company, mean: np.ndarray) -> np.ndarray:
    alpha = state.catalogue.dispersion
    return state.rng.poisson(mean * state.rng.gamma(1 / alpha, alpha, mean.shape))


def _allocate(state: Company, day: int) -> Lines:
    """Serve every region's online demand from its nodes in order of priority; node -1 takes what nobody can serve."""
    served: list[Lines] = []
    for region, nodes in enumerate(_SERVED_BY):
        left = _draw(state, state.ecom_mean[day, region])
        for node, delivery_days in nodes:
            take = np.minimum(left, np.maximum(state.on_hand[node] - state.reserved[node], 0))
            state.reserved[node] += take
            left = left - take
            served.append(_part(take, node, region, delivery_days))
        asked_anyway = state.rng.random(len(left)) < _CANCELLED_WHEN_SHORT
        served.append(_part(np.where(asked_anyway, left, 0), -1, region, 1))
    lines = {name: np.concatenate([part[name] for part in served]) for name in served[0]}
    shuffled = state.rng.permutation(len(lines["sku"]))
    return _pick(lines, shuffled[np.argsort(lines["region"][shuffled], kind="stable")])


def _part(units: np.ndarray, node: int, region: int, delivery_days: int) -> Lines:
    sku = np.flatnonzero(units)
    same = {"node": node, "region": region, "delivery_days": delivery_days}
    return {"sku": sku, "units": units[sku]} | {name: np.full(len(sku), value) for name, value in same.items()}


def _sell_online(state: Company, day: int) -> None:
    lines = _allocate(state, day)
    region, count = lines["region"], len(lines["sku"])
    in_region = np.arange(count) - np.searchsorted(region, region)
    _, order = np.unique(region * 1_000_000 + in_region // 2, return_inverse=True)  # two lines an order
    order_count = int(order.max()) + 1 if count else 0
    lines |= {
        "order": state.number(order_count)[order],
        "line": in_region % 2 + 1,
        "ordered_day": np.full(count, day),
        "second": state.rng.integers(0, 86_399, order_count)[order],
        "promised": day + lines["delivery_days"] + 1,
    }
    state.events.add("orders", day=day, status="placed", **{c: lines[c] for c in _ORDER})
    lost = lines["node"] < 0
    state.events.add("orders", day=day, status="cancelled", **{c: lines[c][lost] for c in _ORDER})
    late = state.rng.random(count) < _LATE
    state.waiting = _pick(lines, ~lost & late)
    now = _pick(lines, ~lost & ~late)
    np.subtract.at(state.reserved, (now["node"], now["sku"]), now["units"])
    _ship(state, day, now)


def _replenish(state: Company, day: int) -> None:
    weekday = state.days[day].day_of_week
    left_days = (state.catalogue.skus["retired_date"] - state.days[day]).dt.days.to_numpy(dtype=float, na_value=np.inf)
    is_over, bought_no_more = left_days < 3, left_days < _LAST_BUY_DAYS
    unborn = (state.catalogue.skus["launched_date"] > state.days[day] + pd.Timedelta(days=14)).to_numpy()
    for node in range(len(NODES)):
        if weekday != node % 5:
            continue
        want = state.target[node] - (state.on_hand[node] - state.reserved[node] + state.inbound[node])
        want = np.where(state.carried[node] & (want > 0.25 * state.target[node]) & ~is_over & ~unborn, want, 0)
        parent = _PARENT[node]
        if node == _HUB:
            bonded = np.where(state.catalogue.is_bonded, want, 0)
            _send(state, day, _BONDED, node, bonded)
            _order(state, day, node, np.where(state.catalogue.is_bonded | bought_no_more, 0, want))
        elif parent < 0:
            _order(state, day, node, np.where(bought_no_more, 0, want))
        else:
            _send(state, day, parent, node, want)


def _send(state: Company, day: int, origin: int, node: int, want: np.ndarray) -> None:
    pack = state.catalogue.skus["case_pack_units"].to_numpy()
    free = np.maximum(state.on_hand[origin] - state.reserved[origin], 0)
    units = np.minimum(np.ceil(want / pack) * pack, free // pack * pack).astype(int)
    sku = np.flatnonzero(units)
    if not len(sku):
        return
    state.on_hand[origin, sku] -= units[sku]
    state.inbound[node, sku] += units[sku]
    lane = _LEAD[origin, node]
    days = max(1, int(round(state.rng.normal(lane.lead_time_days, lane.lead_time_std_days))))
    promised = day + int(np.ceil(lane.lead_time_days))
    number = state.number(1)[0]
    state.arriving[day + days].append(("transfer", number, origin, node, sku, units[sku], day, promised))
    state.events.add(
        "moves", day=day, kind="transfer", number=number, origin=origin, node=node, sku=sku, units=units[sku], received=-1,
        shipped_day=day, promised=promised, delivered=False,
    )  # fmt: skip


def _order(state: Company, day: int, node: int, want: np.ndarray) -> None:
    skus = state.catalogue.skus
    pack = skus["case_pack_units"].to_numpy()
    units = (np.ceil(want / pack) * pack).astype(int)
    sku = np.flatnonzero(units)
    if not len(sku):
        return
    mean = skus["supplier_lead_time_days"].to_numpy()[sku]
    lead = np.maximum(3, np.round(state.rng.normal(mean, skus["supplier_lead_time_std_days"].to_numpy()[sku]))).astype(int)
    state.inbound[node, sku] += units[sku]
    number = state.number(1)[0]
    for days in np.unique(lead):
        mine = lead == days
        state.arriving[day + days].append(
            ("supplier", number, -1, node, sku[mine], units[sku][mine], day + days - 2, day + np.ceil(mean[mine]).astype(int))
        )
    state.events.add("purchases", day=day, number=number, node=node, sku=sku, units=units[sku], expected=day + np.ceil(mean).astype(int))


def _count(state: Company, day: int) -> None:
    """Things break and vanish, then the night count sees what is there."""
    lost = (state.rng.random(state.on_hand.shape) < _SHRINK) & (state.on_hand - state.reserved > 0)
    state.on_hand -= lost
    node, sku = np.nonzero(state.carried)
    state.events.add("counts", day=day, node=node, sku=sku, units=state.on_hand[node, sku], reserved=state.reserved[node, sku])
