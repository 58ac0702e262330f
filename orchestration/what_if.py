"""What a line would bring with other units: read from the published steps of the plan.

Belongs here: the look-up between steps. Does not: the steps (`planning/transfer_lines.py`).
"""

from dataclasses import dataclass
from itertools import pairwise

from orchestration.report import rows_of_current
from orchestration.settings import Settings

_STEPS = """
select step_units, expected_gain, transfer_cost, origin_stockout_probability_after, destination_stockout_probability_after
from plan.transfer_steps where transfer_id = $id order by step_units
"""


@dataclass(frozen=True)
class Effect:
    """Of so many units, all other lines as planned; gains between two steps are read on the line between them, which is never too much."""

    units: int
    expected_gain: float
    transfer_cost: float
    origin_stockout_probability: float
    destination_stockout_probability: float

    @property
    def net_gain(self) -> float:
        """Gain less cost."""
        return self.expected_gain - self.transfer_cost


def effect_of(settings: Settings, transfer_id: str, units: int) -> Effect | None:
    """Effect of moving other units; None where the newest published plan has no steps of the line, or none as far as that."""
    steps = [tuple(row.values()) for row in rows_of_current(settings, _STEPS, {"id": transfer_id})]
    exact = [step for step in steps if step[0] == units]
    if exact:
        return Effect(*exact[0])
    for low, high in pairwise(steps):
        if low[0] < units < high[0]:
            share = (units - low[0]) / (high[0] - low[0])
            return Effect(units, *(a + share * (b - a) for a, b in zip(low[1:], high[1:], strict=True)))
    return None
