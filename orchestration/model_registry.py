"""Models on disk: text, hash and what they were trained on.

Belongs here: saving and loading, never trusting a file whose hash is not its name's. Does not: training (`ml`).
"""

import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml.dispersion import Spread
from ml.train import Model


@dataclass(frozen=True)
class Registered:
    """A model and the backtest it was kept for.

    Parameters
    ----------
    model : Model or None
        None when the file is damaged or the baseline won.
    trained_on_date : date
    content : dict
        The facts file: forecaster, scores (rows of `forecast.accuracy`), spreads by forecaster (sku_id|region_id to
        dispersion, with correlations under "level" and "region").
    reason : str
        Why no model is used, empty when one is.
    """

    version: str
    model: Model | None
    trained_on_date: dt.date
    content: dict
    reason: str


def save(folder: Path, *, model: Model | None, trained_on_date: dt.date, content: dict) -> str:
    """Write a model and its facts under a name made of their hash; returns that name."""
    folder.mkdir(parents=True, exist_ok=True)
    body = json.dumps(
        content
        | {
            "trained_on_date": trained_on_date.isoformat(),
            "model_sha256": None if model is None else _sha256(model.text),
            "aggregates_sha256": None if model is None or model.aggregates_text is None else _sha256(model.aggregates_text),
            "feature_names": [] if model is None else list(model.feature_names),
        },
        sort_keys=True,
    )
    version = hashlib.sha256(body.encode()).hexdigest()[:12]
    if model is not None:
        _write(folder / f"{version}.txt", model.text)
        if model.aggregates_text is not None:
            _write(folder / f"{version}.aggregates.txt", model.aggregates_text)
    _write(folder / f"{version}.json", body)
    return version


def _write(path: Path, text: str) -> None:
    part = path.with_suffix(path.suffix + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def load(folder: Path, version: str) -> Registered:
    """Read a registered model; a damaged text gives no model and says so.

    Raises
    ------
    FileNotFoundError, ValueError
        The facts file is missing or damaged.
    """
    body = (folder / f"{version}.json").read_text(encoding="utf-8")
    if hashlib.sha256(body.encode()).hexdigest()[:12] != version:
        raise ValueError(f"models/{version}.json does not match its name; remove it, the next run trains again")
    content = json.loads(body)
    trained = dt.date.fromisoformat(content["trained_on_date"])
    if content["model_sha256"] is None:
        return Registered(version, None, trained, content, content["reason"])
    texts: dict[str, str | None] = {}
    for part, suffix in (("model_sha256", ".txt"), ("aggregates_sha256", ".aggregates.txt")):
        path = folder / f"{version}{suffix}"
        texts[part] = path.read_bytes().decode("utf-8", errors="replace") if content[part] is not None and path.exists() else None
        if content[part] is not None and _sha256(texts[part] or "") != content[part]:
            return Registered(version, None, trained, content, f"models/{version}{suffix} is missing or damaged")
    return Registered(
        version, Model(str(texts["model_sha256"]), tuple(content["feature_names"]), texts["aggregates_sha256"]), trained, content, ""
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def newest(folder: Path, *, as_of_date: dt.date, max_age_days: int) -> Registered | None:
    """The youngest usable model that is not from the future and not too old, None when one has to be trained."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            candidate = load(folder, path.stem)
        except (ValueError, KeyError):
            continue
        age = (as_of_date - candidate.trained_on_date).days
        if 0 <= age < max_age_days:
            found.append(candidate)
    return max(found, key=lambda r: (r.trained_on_date, r.version), default=None)


def spread_to_json(errors: Spread, keys: list[str]) -> dict:
    """A spread keyed by series, for the facts file."""
    values = dict(zip(keys, np.round(errors.dispersion, 6).tolist(), strict=True))
    return {"dispersion": values, "level": errors.level_correlation, "region": errors.region_correlation}


def spread_from_json(content: dict, keys: list[str]) -> Spread:
    """A spread for today's series; series the backtest had not seen get the median."""
    known = content["dispersion"]
    middle = float(np.median(list(known.values()))) if known else 0.5
    return Spread(np.array([known.get(key, middle) for key in keys]), content["level"], content["region"])
