"""The contract of a table, and how rows are held against it.

A frame checks what enters and leaves a function, documents a table in the UI, is held against the dbt contract by a test, and its row rules become the
quarantine SQL. Belongs here: the class. Does not: any table (`planning/frames.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from planning.errors import FrameError
from planning.vocabulary import COLUMNS, Column


@dataclass(frozen=True, eq=False)
class Frame:
    """The contract of one table.

    Parameters
    ----------
    name : str
        Address of the table; feeds have their bare name.
    grain : str
        What one row is, said after "One row per".
    key : str
        Columns that identify a row, separated by blanks.
    columns : str
        Columns that are never null, separated by blanks.
    nullable : str
        Columns that may be null, separated by blanks.
    allowed : mapping
        Words a string column may hold.
    """

    name: str
    grain: str
    key: str
    columns: str
    nullable: str = ""
    allowed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Key columns in order."""
        return tuple(self.key.split())

    @cached_property
    def fields(self) -> dict[str, Column]:
        """Every column of the frame, by name, never-null ones first."""
        return {name: COLUMNS[name] for name in (*self.columns.split(), *self.nullable.split())}

    @cached_property
    def required(self) -> frozenset[str]:
        """Columns that are never null."""
        return frozenset(self.columns.split())

    def check(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the rows with exactly the frame's columns, in its order, or say what is wrong with them.

        Raises
        ------
        FrameError
            Naming the table, the number of offending rows, up to five of their keys and the remedy.

        Examples
        --------
        >>> Frame("places", "place", key="node_id", columns="node_id").check(pd.DataFrame({"sku_id": ["a"]}))
        Traceback (most recent call last):
        planning.errors.FrameError: places: lacks column node_id; deliver it or map it in the settings
        """
        for name in self.fields:
            if name not in rows.columns:
                raise FrameError(f"{self.name}: lacks column {name}; deliver it or map it in the settings")
        rows = rows[list(self.fields)]
        for name, column in self.fields.items():
            self._refuse(rows, rows[name].isna() if name in self.required else None, f"{name} is null", "fill it")
            if column.kind in ("integer", "decimal", "float"):
                self._check_number(rows, column)
            elif name in self.allowed:
                wrong = ~(rows[name].isin(self.allowed[name]) | rows[name].isna())
                self._refuse(rows, wrong, f"{name} is not one of {', '.join(self.allowed[name])}", "correct the word")
        repeated = rows.duplicated(list(self.keys), keep=False) if self.keys else None
        self._refuse(rows, repeated, f"the key ({', '.join(self.keys)}) repeats", "keep one row per key")
        return rows

    def _check_number(self, rows: pd.DataFrame, column: Column) -> None:
        values = rows[column.name].to_numpy(dtype=float, na_value=np.nan)
        self._refuse(rows, np.isinf(values), f"{column.name} is infinite", "correct the number")
        low = -np.inf if column.minimum is None else column.minimum
        high = np.inf if column.maximum is None else column.maximum
        outside = (values < low) | (values > high)
        self._refuse(rows, outside, f"{column.name} is outside [{low:g}, {high:g}]", "correct the number or its unit")
        if column.kind == "integer":
            fraction = ~np.isnan(values) & (values != np.floor(values))
            self._refuse(rows, fraction, f"{column.name} is not whole", "count in whole base units")

    def _refuse(self, rows: pd.DataFrame, wrong: object, what: str, remedy: str) -> None:
        mask = None if wrong is None else np.asarray(wrong, dtype=bool)
        if mask is None or not mask.any():
            return
        shown = rows.loc[mask, [k for k in self.keys if k in rows.columns]].head(5).astype(str)
        keys = "; ".join(", ".join(row) for row in shown.itertuples(index=False))
        raise FrameError(f"{self.name}: {what} in {int(mask.sum())} of {len(rows)} rows ({keys}); {remedy}")
