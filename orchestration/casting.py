"""The frames' row rules as SQL: strict casts from delivered text to the contract, and the reason when a line breaks it.

Belongs here: one cast and one list of reasons per column kind. Does not: reading files (`landing.py`) or choosing between
lines (`raw_tables.py`). Nothing is rounded, trimmed or guessed: what does not match its kind is quarantined.
"""

from orchestration.landing import UNIT_OF_MEASURE
from orchestration.mapping import literal
from orchestration.settings import FeedSettings, Units
from orchestration.warehouse import sql_type
from planning.frame import Frame
from planning.vocabulary import Column

_OFFSET = "(Z|[+-][0-9]{2}(:?[0-9]{2})?)"
_MOMENT = "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?"
CLOCK_SLACK_HOURS = 26  # the earth's time zones, and two hours of clocks that run fast
_HAPPENED = ("sold_at", "ordered_at", "returned_at", "snapshot_at", "shipped_at", "delivered_at", "updated_at")
_WRONG_KIND = {
    "integer": "not_a_whole_number",
    "decimal": "not_a_decimal",
    "float": "not_a_number",
    "boolean": "not_a_boolean",
    "date": "not_a_date",
    "timestamp": "not_a_moment",
    "string": "not_text",
}


def cast(column: Column, delivered_type: str, feed: FeedSettings) -> str:
    """SQL that is the contract value of a delivered column, null when the text does not spell one (or not one in range, where set aside)."""
    value = _cast(column, delivered_type, feed)
    if feed.units is not None and column.kind == "integer" and column.name.endswith("_units"):
        value = f"({value}) * ({_base_units(feed.units)})"
    outside = _outside(column, value) if column.name in feed.fields_set_aside else ""
    return f"case when not ({outside}) then {value} end" if outside else value


def _base_units(units: Units) -> str:
    return f"case {UNIT_OF_MEASURE} {' '.join(f'when {literal(word)} then {count}' for word, count in units.base_units.items())} end"


def _cast(column: Column, delivered_type: str, feed: FeedSettings) -> str:
    x, kind = column.name, column.kind
    if delivered_type != "VARCHAR":
        return _cast_native(x, kind, delivered_type)
    if kind == "string":
        return x
    number = x if feed.decimal_mark == "." else f"replace({x}, ',', '.')"
    plain = "" if feed.decimal_mark == "." else f" and not contains({x}, '.')"
    match kind:
        case "integer":
            return f"case when regexp_full_match({x}, '-?[0-9]{{1,15}}') then {x}::bigint end"
        case "decimal":
            return f"case when regexp_full_match({number}, '-?[0-9]{{1,13}}([.][0-9]{{1,4}}0*)?'){plain} then {number}::decimal(18, 4) end"
        case "float":
            return f"case when regexp_full_match({number}, '-?[0-9]{{1,15}}([.][0-9]{{1,17}})?([eE][+-]?[0-9]{{1,2}})?'){plain} then {number}::double end"
        case "boolean":
            return (
                f"case when lower({x}) in ('true', 't', 'yes', '1') then true when lower({x}) in ('false', 'f', 'no', '0') then false end"
            )
        case "date":
            return f"case when regexp_full_match({x}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}') then try_cast({x} as date) end"
        case _:
            spelt = f"if(substr({x}, 17, 1) = ':', {x}, left({x}, 16) || ':00' || substr({x}, 17))"  # seconds may be left out
            with_offset = f"when regexp_full_match({x}, '{_MOMENT}{_OFFSET}') then (try_cast({spelt} as timestamptz) at time zone 'UTC')"
            local = (
                f" when regexp_full_match({x}, '{_MOMENT}') then ((try_cast({x} as timestamp) at time zone '{feed.time_zone}') at time zone 'UTC')"
                if feed.time_zone
                else ""
            )
            return f"case {with_offset}{local} end"


def _cast_native(x: str, kind: str, delivered_type: str) -> str:
    target = sql_type(kind)
    if kind == "integer" and delivered_type in ("FLOAT", "DOUBLE"):
        return f"case when isfinite({x}) and {x} = floor({x}) and abs({x}) < 1e15 then {x}::bigint end"
    if kind in ("integer", "decimal") and delivered_type.startswith("DECIMAL"):
        return f"case when {x} = {x}::{target} then {x}::{target} end"
    if kind in ("decimal", "float") and delivered_type in ("FLOAT", "DOUBLE"):
        return f"case when isfinite({x}) and abs({x}) < 1e13 then {x}::{target} end"
    if kind in ("date", "boolean") and delivered_type not in ("DATE", "BOOLEAN"):
        return f"null::{target}"
    if kind == "timestamp":
        return "null::timestamp"
    return f"{x}::{target}"


def reasons(frame: Frame, types: dict[str, str], feed: FeedSettings) -> str:
    """SQL that is the first reason a delivered line breaks the contract, null for a good line.

    Typed values are expected under ``typed_<column>``, delivered ones under ``<column>``; ``received_at`` is when the file came.
    """
    cases = ["when landing_fault is not null then landing_fault"] if "landing_fault" in types else []
    if feed.units is not None:
        words = ", ".join(map(literal, feed.units.base_units))
        cases.append(f"when coalesce({UNIT_OF_MEASURE}, '') not in ({words}) then '{UNIT_OF_MEASURE}:not_declared'")
    for rule in feed.exclude:
        value = f"typed_{rule.column}"
        if rule.matches is not None:
            cases.append(f"when regexp_full_match({value}, {literal(rule.matches)}) then '{rule.column}:{rule.reason}'")
        if rule.at_most is not None:
            cases.append(f"when {value} <= {rule.at_most} then '{rule.column}:{rule.reason}'")
    for name, column in frame.fields.items():
        if name not in types:
            continue
        typed = f"typed_{name}"
        if name in frame.required:
            cases.append(f"when {name} is null then '{name}:missing'")
        if name in feed.fields_set_aside:
            continue
        cases.append(f"when {name} is not null and {typed} is null then '{name}:{_WRONG_KIND[column.kind]}'")
        if outside := _outside(column, typed):
            cases.append(f"when {outside} then '{name}:out_of_range'")
        if name in feed.limits:
            cases.append(f"when {typed} > {feed.limits[name]} then '{name}:above_its_limit'")
        if name in _HAPPENED:
            cases.append(f"when {typed} > received_at + interval {CLOCK_SLACK_HOURS} hour then '{name}:in_the_future'")
        if name in feed.check_digits:
            cases.append(f"when not ({_is_gtin(typed)}) then '{name}:wrong_check_digit'")
        if name in frame.allowed:
            words = ", ".join(f"'{word}'" for word in frame.allowed[name])
            cases.append(f"when {typed} not in ({words}) then '{name}:not_allowed'")
    return f"case {' '.join(cases)} end" if cases else "null::varchar"


def _outside(column: Column, value: str) -> str:
    """SQL that is true of a number outside the column's range, empty when it has none."""
    bounds = [f"{value} < {column.minimum}" for _ in [0] if column.minimum is not None]
    bounds += [f"{value} > {column.maximum}" for _ in [0] if column.maximum is not None]
    return " or ".join(bounds)


def fields_set_aside(frame: Frame, types: dict[str, str], feed: FeedSettings) -> str:
    """SQL that is the list of a line's fields that cannot be read and that the line can do without: (reason, delivered text)."""
    found = [
        f"case when {name} is not null and typed_{name} is null"
        f" then struct_pack(reason := '{name}:{_WRONG_KIND[frame.fields[name].kind]}', delivered := json_object('{name}', {name})::varchar) end"
        for name in feed.fields_set_aside
        if name in types
    ]
    return f"list_filter([{', '.join(found)}], lambda field: field is not null)" if found else "null"


def _is_gtin(x: str) -> str:
    """SQL that is true of a GTIN-8, -12, -13 or -14 whose check digit is right (GS1 General Specifications, 7.9)."""
    digits = f"lpad({x}, 14, '0')"
    total = " + ".join(f"substr({digits}, {i + 1}, 1)::integer * {3 if i % 2 == 0 else 1}" for i in range(14))
    return f"case when regexp_full_match({x}, '[0-9]{{8}}|[0-9]{{12,14}}') then ({total}) % 10 = 0 else false end"
