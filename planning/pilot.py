"""Which lines of a plan are meant, and which are only shown: the pilot cluster.

Belongs here: the switch. Does not: who belongs to the cluster (`nodes.is_pilot`, `skus.is_pilot` in the feeds).
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PROPOSED, SHADOW = "proposed", "shadow"


def line_status(lines: pd.DataFrame, positions: pd.DataFrame, *, node_columns: tuple[str, ...], pilot_only: bool) -> NDArray[np.object_]:
    """``proposed`` for lines of a pilot SKU whose nodes in ``node_columns`` all belong to the cluster, else ``shadow``; all proposed without the switch."""
    if not pilot_only:
        return np.full(len(lines), PROPOSED, dtype=object)
    inside = positions.loc[positions["is_pilot"].fillna(False).astype(bool), ["sku_id", "node_id"]]
    cluster = pd.MultiIndex.from_frame(inside)
    real = np.ones(len(lines), bool)
    for column in node_columns:
        real &= pd.MultiIndex.from_arrays([lines["sku_id"], lines[column]]).isin(cluster)
    return np.where(real, PROPOSED, SHADOW).astype(object)
