"""A small HTTP service for order systems: what is free, which node ships, holding units; on `ops.sqlite`, safe for many callers at once.

Belongs here: HTTP in and out, the token. Does not: any rule (`reservations.py`, `planning/routing.py`). Every act that changes something is one
immediate SQLite transaction, so callers queue for it, and no two of them see the same last unit.
"""

import hmac
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from orchestration import ops_store, reservations
from orchestration.availability import available
from orchestration.reservations import Line, NotEnoughError, ReservationError
from orchestration.rules import routing_rules
from orchestration.settings import Settings
from orchestration.transfer_ledger import TransferStateError
from planning.routing import Asked, route_one

TOKEN_VARIABLE = "NODEWISE_API_TOKEN"
_NAME = Field(min_length=1, max_length=200)


class OrderLine(BaseModel):
    """A line that is asked for."""

    line_number: int = Field(ge=0, le=1_000_000)
    sku_id: str = _NAME
    units: int = Field(ge=1, le=10_000_000)
    node_id: str = Field("", max_length=200, description="only from this node; by default from the best")


class Order(BaseModel):
    """An order to route or to hold units for."""

    order_id: str = _NAME
    region_id: str = Field("", max_length=200)
    lines: list[OrderLine] = Field(min_length=1, max_length=200)


class Reservation(Order):
    """An order whose units shall be held; the key makes it safe to ask again."""

    reservation_key: str = _NAME


class Shipment(BaseModel):
    """Units that left."""

    shipment_key: str = _NAME


class Move(BaseModel):
    """A transfer that carries held units."""

    transfer_id: str = _NAME


class _Stores:
    """One connection for each thread of the server."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._local = settings, threading.local()
        with ops_store.open_store(settings.ops):
            pass  # the tables stand before anybody asks

    @contextmanager
    def open(self) -> Iterator[sqlite3.Connection]:
        if not hasattr(self._local, "connection"):
            self._local.connection = sqlite3.connect(self._settings.ops, timeout=30, isolation_level="IMMEDIATE")
            self._local.connection.execute("pragma busy_timeout = 30000")
        try:
            yield self._local.connection
        finally:
            if self._local.connection.in_transaction:
                self._local.connection.rollback()


def build_api(settings: Settings, token: str) -> FastAPI:
    """The service of one deployment; every call has to carry ``Authorization: Bearer <token>``."""
    if not token:
        raise ValueError(f"the service needs a token; set {TOKEN_VARIABLE}")
    stores, rules = _Stores(settings), routing_rules(settings.routing)

    def allowed(authorization: Annotated[str, Header()] = "") -> None:
        if not hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
            raise HTTPException(401, "a bearer token is needed")

    app = FastAPI(title="nodewise", docs_url=None, redoc_url=None, openapi_url="/openapi.json")
    guarded = [Depends(allowed)]

    @app.exception_handler(ReservationError)
    def refused(_: Request, error: ReservationError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=409 if isinstance(error, NotEnoughError) else 422)

    @app.exception_handler(TransferStateError)
    def unknown(_: Request, error: TransferStateError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=422)

    @app.get("/health")
    def health() -> dict[str, Any]:
        with stores.open() as store:
            day = store.execute("select as_of_date, recorded_at from stock_day").fetchone()
        return {"stock_as_of_date": day[0] if day else None, "recorded_at": day[1] if day else None}

    @app.get("/availability", dependencies=guarded)
    def availability(sku_id: str, node_id: str = "") -> list[dict[str, Any]]:
        with stores.open() as store:
            return [
                {"sku_id": a.sku_id, "node_id": a.node_id, "available_units": max(a.available_units, 0)}
                for a in available(store, sku_id, node_id)
            ]

    @app.post("/routes", dependencies=guarded)
    def routes(order: Order) -> dict[str, Any]:
        with stores.open() as store:
            asked = [
                Asked(line.line_number, line.units, reservations.options_for(store, _line(line), order.region_id)) for line in order.lines
            ]
        chosen, short = route_one(asked, rules)
        nodes = [
            {"line_number": a.line_number, "node_id": o.node_id, "unit_cost": round(o.unit_cost, 6), "available_units": max(o.available_units, 0),
             "delivery_days": o.delivery_days, "routed_units": sum(u for n, node, u in chosen if (n, node) == (a.line_number, o.node_id)), "refused": o.refused}
            for a in asked for o in a.options
        ]  # fmt: skip
        return {"order_id": order.order_id, "nodes": nodes, "short": [{"line_number": n, "units": u} for n, u in short]}

    @app.post("/reservations", status_code=201, dependencies=guarded)
    def reserve(wanted: Reservation) -> list[dict[str, Any]]:
        with stores.open() as store:
            held = reservations.reserve(
                store, key=wanted.reservation_key, order_id=wanted.order_id, region_id=wanted.region_id, lines=[_line(line) for line in wanted.lines],
                settings=settings.routing, rules=rules,
            )  # fmt: skip
        return [_shown(hold) for hold in held]

    @app.get("/reservations/{key}", dependencies=guarded)
    def look(key: str) -> list[dict[str, Any]]:
        with stores.open() as store:
            return [_shown(hold) for hold in reservations.holds(store, key=key)]

    @app.post("/reservations/{key}/confirm", dependencies=guarded)
    def confirm(key: str) -> list[dict[str, Any]]:
        with stores.open() as store:
            return [_shown(hold) for hold in reservations.confirm(store, key)]

    @app.post("/reservations/{key}/ship", dependencies=guarded)
    def ship(key: str, shipment: Shipment) -> list[dict[str, Any]]:
        with stores.open() as store:
            return [_shown(hold) for hold in reservations.ship(store, key, shipment_key=shipment.shipment_key)]

    @app.post("/reservations/{key}/move", dependencies=guarded)
    def move(key: str, with_: Move) -> list[dict[str, Any]]:
        with stores.open() as store:
            return [_shown(hold) for hold in reservations.move_with(store, key, with_.transfer_id)]

    @app.delete("/reservations/{key}", dependencies=guarded)
    def release(key: str) -> list[dict[str, Any]]:
        with stores.open() as store:
            return [_shown(hold) for hold in reservations.release(store, key)]

    return app


def _line(line: OrderLine) -> Line:
    return Line(line.line_number, line.sku_id, line.units, line.node_id)


def _shown(hold: reservations.Hold) -> dict[str, Any]:
    names = ("reservation_key", "order_id", "line_number", "sku_id", "node_id", "units")
    return {name: getattr(hold, name) for name in names}
