"""The module Dagster's servers load.

Belongs here: one line. Does not: anything that could be imported by a test without a deployment.
"""

from orchestration.definitions import defs_from_environment

defs = defs_from_environment()
