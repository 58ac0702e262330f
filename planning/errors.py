"""What can go wrong in a decision, as types a caller can catch.

Belongs here: exceptions of `planning` and `ml`. Does not: exceptions of the edge (files, gates), which live beside what raises them.
"""


class PlanningError(ValueError):
    """The input of a decision is wrong; the message names the table, the rows, up to five keys and the remedy."""


class FrameError(PlanningError):
    """A frame breaks its contract: a missing column, a wrong kind, a null, a value out of range, a repeated key."""


class InfeasiblePlanError(PlanningError):
    """No plan can obey every limit; the message names the limit and by how much it is exceeded."""


class SolverError(RuntimeError):
    """A solver stopped without an answer that can be trusted; the message names what it was asked and the remedy."""
