"""How a foreign file spells a contract column: the small vocabulary of `feeds.<feed>.columns`, and its SQL over delivered text.

Belongs here: renaming, joining, splitting and translating text that a mapping declares. Does not: what the text means
(`casting.py`). A word, zone or format that is not declared is passed on as it stands, and the cast then quarantines it.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Zone(BaseModel):
    """A column that names the time zone of a moment, in its own words."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    column: str
    words: dict[str, str] = Field(description="word in the file: IANA name")

    @field_validator("words")
    @classmethod
    def _are_zones(cls, words: dict[str, str]) -> dict[str, str]:
        for zone in words.values():
            ZoneInfo(zone)
        return words


class ColumnSource(BaseModel):
    """Where the text of a contract column comes from, when it is not simply a column of another name."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    from_: tuple[str, ...] = Field((), alias="from", description="one column, or several")
    joined_by: str | None = Field(None, description="text between several columns; without it the first that is not empty counts")
    strip: str = Field("", description="characters taken out, e.g. $,")
    negate: bool = Field(False, description="change the sign of a number")
    filled_within: str | None = Field(None, description="an empty cell takes the last one above it that shares this column")
    number_within: str | None = Field(None, description="running number of the line among those that share this column")
    words: dict[str, str] = Field(default_factory=dict, description="word in the file: word of the contract")
    if_filled: str | None = Field(None, description="word of the contract when the cell holds anything")
    if_empty: str | None = Field(None, description="word of the contract when the cell is empty")
    drop_zero_fraction: bool = Field(False, description="1.0 is 1; 1.5 stays and is refused")
    format: str | None = Field(None, description="strptime format of a day or moment; with %z it knows its offset")
    time_of_day: str | None = Field(None, description="HH:MM:SS of a moment whose file has days only")
    zone: Zone | None = None
    file_name: str | None = Field(None, description="regular expression with one group, matched against the name of the file")

    @field_validator("from_", mode="before")
    @classmethod
    def _as_tuple(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value


Source = str | ColumnSource


def literal(text: str) -> str:
    """Text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def reads(source: Source) -> tuple[str, ...]:
    """Columns of the file that a source reads."""
    if isinstance(source, str):
        return (source,)
    return tuple(c for c in (*source.from_, source.filled_within, source.number_within, source.zone and source.zone.column) if c)


def needs_order(sources: Iterable[Source]) -> bool:
    """Whether any of the sources looks at the lines above."""
    return any(isinstance(s, ColumnSource) and (s.filled_within or s.number_within) for s in sources)


def expression(source: Source, *, is_day: bool, file: Path) -> str | None:
    """SQL that is the text of a contract column; lines are ordered by ``_n``. None when the file's name does not tell."""
    if isinstance(source, str):
        return identifier(source)
    if source.number_within is not None:
        return f"(row_number() over (partition by {identifier(source.number_within)} order by _n))::varchar"
    if source.file_name is not None:
        found = re.search(source.file_name, file.name)
        if found is None:
            return None
        x = literal(found.group(1))
    else:
        cells = [f"nullif(trim({identifier(name)}), '')" for name in source.from_]
        x = f" || {literal(source.joined_by)} || ".join(cells) if source.joined_by is not None else f"coalesce({', '.join(cells)})"
    return _translated(_filled(x, source), source, is_day=is_day)


def _filled(x: str, source: ColumnSource) -> str:
    if source.filled_within is not None:
        x = f"last_value({x} ignore nulls) over (partition by {identifier(source.filled_within)} order by _n rows unbounded preceding)"
    return x


def _translated(x: str, source: ColumnSource, *, is_day: bool) -> str:
    if source.strip:
        x = f"translate({x}, {literal(source.strip)}, '')"
    if source.drop_zero_fraction:
        x = f"regexp_replace({x}, '[.]0+$', '')"
    if source.negate:
        x = f"case when starts_with({x}, '-') then substr({x}, 2) else '-' || ({x}) end"
    if source.words:
        x = f"case {x} {' '.join(f'when {literal(a)} then {literal(b)}' for a, b in source.words.items())} else {x} end"
    if source.if_filled is not None or source.if_empty is not None:
        x = f"case when {x} is null then {_word(source.if_empty)} else {_word(source.if_filled)} end"
    if source.format is not None:
        shown = "%Y-%m-%d" if is_day else f"%Y-%m-%dT{source.time_of_day or '%H:%M:%S'}" + ("Z" if "%z" in source.format else "")
        x = f"coalesce(strftime(try_strptime({x}, {literal(source.format)}), '{shown}'), {x})"
    if source.zone is not None:
        zones = " ".join(
            f"when {literal(word)} then strftime(try_cast({x} as timestamp) at time zone {literal(zone)} at time zone 'UTC', '%Y-%m-%dT%H:%M:%SZ')"
            for word, zone in source.zone.words.items()
        )
        x = f"coalesce(case {identifier(source.zone.column)} {zones} end, {x})"
    return x


def _word(text: str | None) -> str:
    return "null" if text is None else literal(text)
