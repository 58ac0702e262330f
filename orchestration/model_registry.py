"""Models on disk: text, hash and what they were chosen for.

Belongs here: saving and loading, never trusting a file whose hash is not the one its facts name, nor one that ends the process that
opens it. Does not: training (`ml`).

Notes
-----
An entry is a facts file ``<version>.json`` and the texts it names, ``<version>.<text>.txt``. An entry is written at every choice of a
champion, also where the former champion stayed: it then holds the former texts again, so that an entry needs no other.
"""

import datetime as dt
import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd

from ml.dispersion import Spread
from ml.train import Model

_OPEN = "import sys, lightgbm\nfor path in sys.argv[1:]:\n    lightgbm.Booster(model_file=path)"
_OPEN_SECONDS = 120
_UNKNOWN_TOTAL_ERROR = 0.3  # where no backtest says


@dataclass(frozen=True)
class Registered:
    """A model and the backtest it was kept for.

    Parameters
    ----------
    version : str
    model : Model or None
        None when a file is damaged or the baseline won.
    rehearsal : Model or None
        The same recipe trained before the backtest's first origin: what a later challenger is compared with, on days neither has seen.
    chosen_on_date, trained_on_date : date
        Day of the choice, and the last day that ``model`` has seen.
    content : dict
        The facts file: forecaster, scores (rows of `forecast.accuracy`), spreads by forecaster (sku_id|region_id to
        dispersion, with correlations under "level" and "region"), reason.
    reason : str
        Why no model is used, or why an earlier one is; else what the choice came to.
    is_last_good : bool
        The entry stands in for a younger one whose files are damaged.
    """

    version: str
    model: Model | None
    rehearsal: Model | None
    chosen_on_date: dt.date
    trained_on_date: dt.date
    content: dict
    reason: str
    is_last_good: bool = False


def save(
    folder: Path, *, model: Model | None, rehearsal: Model | None, chosen_on_date: dt.date, trained_on_date: dt.date, content: dict
) -> str:
    """Write a model and its facts under a name made of their hash; returns that name."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        f"{role}.{part}": text
        for role, kept in (("model", model), ("rehearsal", rehearsal))
        if kept is not None
        for part, text in (("series", kept.text), ("totals", kept.aggregates_text))
        if text is not None
    }
    body = json.dumps(
        content
        | {
            "chosen_on_date": chosen_on_date.isoformat(),
            "trained_on_date": trained_on_date.isoformat(),
            "sha256": {name: _sha256(text.encode()) for name, text in texts.items()},
            "feature_names": [] if model is None else list(model.feature_names),
        },
        sort_keys=True,
    )
    version = hashlib.sha256(body.encode()).hexdigest()[:12]
    for name, text in texts.items():
        _write(folder / f"{version}.{name}.txt", text)
    _write(folder / f"{version}.json", body)
    return version


def _write(path: Path, text: str) -> None:
    part = path.with_suffix(path.suffix + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def load(folder: Path, version: str) -> Registered:
    """Read a registered model; a damaged text gives no model and says so.

    Raises
    ------
    FileNotFoundError, ValueError
        The facts file is missing or damaged.
    """
    content = _facts(folder, version)
    texts, damaged = _texts(folder, version, content["sha256"])
    reason = content["reason"]
    if damaged:
        reason = f"models/{damaged[0]} is missing or damaged"
    elif texts and not _opens(folder, version, content["sha256"]):
        reason, damaged = f"models/{version}: LightGBM {lightgbm.__version__} cannot open it", [version]
    found: dict[str, Model | None] = {}
    for role in ("model", "rehearsal"):
        text = None if damaged else texts.get(f"{role}.series")
        found[role] = None if text is None else Model(text, tuple(content["feature_names"]), texts.get(f"{role}.totals"))
    chosen, trained = (dt.date.fromisoformat(content[key]) for key in ("chosen_on_date", "trained_on_date"))
    return Registered(version, found["model"], found["rehearsal"], chosen, trained, content, reason)


def _facts(folder: Path, version: str) -> dict:
    body = (folder / f"{version}.json").read_text(encoding="utf-8")
    if hashlib.sha256(body.encode()).hexdigest()[:12] != version:
        raise ValueError(f"models/{version}.json does not match its name; remove it, the next run trains again")
    return json.loads(body)


def _texts(folder: Path, version: str, wanted: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """Texts whose hash is the one the facts name, and the names of the files for which it is not."""
    texts: dict[str, str] = {}
    damaged: list[str] = []
    for name, digest in wanted.items():
        path = folder / f"{version}.{name}.txt"
        body = path.read_bytes() if path.exists() else b""
        if _sha256(body) == digest:
            texts[name] = body.decode("utf-8")
        else:
            damaged.append(path.name)
    return texts, damaged


def _opens(folder: Path, version: str, wanted: dict[str, str]) -> bool:
    """Whether another process of this LightGBM can open the texts and live; asked once for the same bytes and the same LightGBM."""
    seal = folder / f"{version}.opened"
    said = _sha256(json.dumps([lightgbm.__version__, wanted], sort_keys=True).encode())
    if seal.exists() and seal.read_text(encoding="utf-8") == said:
        return True
    paths = [str(folder / f"{version}.{name}.txt") for name in wanted]
    try:
        done = subprocess.run([sys.executable, "-c", _OPEN, *paths], capture_output=True, timeout=_OPEN_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False
    if done.returncode == 0:
        _write(seal, said)
    return done.returncode == 0


def newest(folder: Path, *, as_of_date: dt.date, max_age_days: int | None = None) -> Registered | None:
    """The youngest choice that is not from the future; None when there is none or it is too old, and one has to be made.

    Where its files are damaged, the youngest earlier entry whose files are not stands in.
    """
    dates = _chosen_on(folder)
    known = sorted((v for v, chosen in dates.items() if chosen <= as_of_date), key=lambda v: (dates[v], v), reverse=True)
    if not known or (max_age_days is not None and (as_of_date - dates[known[0]]).days >= max_age_days):
        return None
    wanted = load(folder, known[0])
    if wanted.model is not None or not wanted.content["sha256"]:
        return wanted
    for version in known[1:]:
        other = load(folder, version)
        if other.model is not None:
            return replace(other, reason=f"{wanted.reason}; {version} of {other.chosen_on_date} stands in", is_last_good=True)
    return wanted


def _chosen_on(folder: Path) -> dict[str, dt.date]:
    """Day of the choice of every entry whose facts can be read."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        try:
            found[path.stem] = dt.date.fromisoformat(_facts(folder, path.stem)["chosen_on_date"])
        except (ValueError, KeyError):
            continue
    return found


def spread_to_json(errors: Spread, keys: list[str]) -> dict:
    """A spread keyed by series, for the facts file."""
    values = dict(zip(keys, np.round(errors.dispersion, 6).tolist(), strict=True))
    return {"dispersion": values, "level": errors.level_correlation, "region": errors.region_correlation}


def spread_from_json(content: dict, keys: list[str]) -> Spread:
    """A spread for today's series; series the backtest had not seen get the median."""
    known = content["dispersion"]
    middle = float(np.median(list(known.values()))) if known else 0.5
    return Spread(np.array([known.get(key, middle) for key in keys]), content["level"], content["region"])


def total_errors_to_json(errors: dict[str, np.ndarray], names: dict[str, pd.DataFrame]) -> dict:
    """Relative errors of totals keyed by level and name, for the facts file."""
    return {
        level: dict(zip(names[level]["category"] + "|" + names[level]["region_id"], np.round(values, 6).tolist(), strict=False))
        for level, values in errors.items()
    }


def total_errors_from_json(content: dict, names: dict[str, pd.DataFrame]) -> dict[str, np.ndarray]:
    """Relative errors of today's totals; one the backtest had not seen gets its level's median."""
    out = {}
    for level, wanted in names.items():
        known = content.get(level, {})
        middle = float(np.median(list(known.values()))) if known else _UNKNOWN_TOTAL_ERROR
        out[level] = np.array([known.get(key, middle) for key in wanted["category"] + "|" + wanted["region_id"]])
    return out
