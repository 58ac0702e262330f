"""Presets: how the common exports spell a feed, as mapping files in `orchestration/presets/`.

Belongs here: finding and merging them. Does not: any layout (the files), reading data (`landing.py`).
"""

from pathlib import Path
from typing import Any

import yaml

_FOLDER = Path(__file__).parent / "presets"


def names() -> list[str]:
    """Every preset."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def read(name: str) -> dict[str, Any]:
    """A preset: its feed, what it is about, and the feed's settings.

    Raises
    ------
    ValueError
        There is none of that name.
    """
    if name not in names():
        raise ValueError(f"{name!r} is not a preset; presets are {', '.join(names())}")
    return yaml.safe_load((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))


def merged(feed: str, chosen: dict[str, Any]) -> dict[str, Any]:
    """A feed's settings over those of its preset; columns and constants are merged one by one.

    Raises
    ------
    ValueError
        The preset is unknown or made for another feed.
    """
    preset = read(str(chosen["preset"]))
    if preset["feed"] != feed:
        raise ValueError(f"preset {chosen['preset']} is for {preset['feed']}, not for {feed}")
    base = {key: value for key, value in preset.items() if key not in ("feed", "about")}
    both = {key: {**base[key], **chosen[key]} for key in ("columns", "constants") if key in base and key in chosen}
    return {**base, **chosen, **both}
