"""One deployment at work: its settings and the stores behind them.

Belongs here: opening the stores. Does not: what is kept in them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from sqlite3 import Connection

import duckdb

from orchestration.ops_store import open_store
from orchestration.settings import Settings
from orchestration.warehouse import open_warehouse


@dataclass(frozen=True)
class Deployment:
    """Resource of every asset.

    Parameters
    ----------
    settings : Settings
    pinned_model : str or None
        Version of the model a replay has to use; None lets the day choose.
    is_replay : bool
        A scratch copy that derives a past day again and publishes nowhere else.
    """

    settings: Settings
    pinned_model: str | None = None
    is_replay: bool = False

    @contextmanager
    def warehouse(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The warehouse, for this process alone."""
        with open_warehouse(self.settings.warehouse) as connection:
            yield connection

    @contextmanager
    def ops(self) -> Iterator[Connection]:
        """The operational store."""
        with open_store(self.settings.ops) as store:
            yield store
