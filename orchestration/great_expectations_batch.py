"""Great Expectations on one bounded pandas frame.

Belongs here: the glue, once. Does not: which expectations (`checks.py`). Great Expectations is imported inside the function: it
takes seconds. An expectation that crashes counts as failed.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd


def unmet(frame: pd.DataFrame, name: str, expectations: Callable[[Any], Sequence[Any]], *, label: str) -> list[str]:
    """Expectations the frame does not meet, as sentences naming up to five rows by their ``label`` column."""
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    batch = (
        context.data_sources.add_pandas("memory")
        .add_dataframe_asset(name)
        .add_batch_definition_whole_dataframe("whole")
        .get_batch(batch_parameters={"dataframe": frame})
    )
    suite = gx.ExpectationSuite(name=name, expectations=list(expectations(gx.expectations)))
    outcome = batch.validate(suite, result_format={"result_format": "COMPLETE", "unexpected_index_column_names": [label]})
    return [_sentence(result, label) for result in outcome.results if not result.success]


def _sentence(result: Any, label: str) -> str:
    config = result.expectation_config
    raised = [info["exception_message"] for info in _exceptions(result.exception_info)]
    if raised:
        return f"{config.type} could not be evaluated: {raised[0]}"
    bounds = {k: v for k, v in config.kwargs.items() if k in ("column", "min_value", "max_value", "value_set") and v is not None}
    rows = result.result.get("unexpected_index_list") or []
    who = ", ".join(str(row.get(label, row)) for row in rows[:5] if isinstance(row, dict))
    seen = result.result.get("observed_value")
    tail = f" in {len(rows)} rows ({who})" if rows else f" (observed {seen})"
    return f"{config.meta.get('says') if config.meta else config.type} {bounds}{tail}"


def _exceptions(info: Any) -> list[dict[str, Any]]:
    if not isinstance(info, dict):
        return []
    if "raised_exception" in info:
        return [info] if info["raised_exception"] else []
    return [part for part in info.values() if isinstance(part, dict) and part.get("raised_exception")]
