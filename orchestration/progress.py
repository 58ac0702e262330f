"""What a person sees while a day runs: a progress bar on a terminal, plain lines otherwise.

Belongs here: names of the steps for people. Does not: running.
"""

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

_STAGES = {
    "ops__ledger": "landing files",
    "raw_feeds": "reading feeds",
    "raw_run_day": "opening the day",
    "facts": "building facts",
    "forecast": "forecasting",
    "ops_tables": "accounting for files",
    "targets": "setting targets",
    "design": "designing the network",
    "moves": "planning transfers",
    "plan__replenishments": "planning replenishments",
    "facts_and_kpis": "computing KPIs",
    "published__current": "publishing",
    "ops__forgotten_files": "forgetting what is too old",
}


class Shown:
    """Context manager whose `progress` is called with every step event."""

    def __init__(self, *, enabled: bool) -> None:
        """Choose bar, lines or silence."""
        self._enabled = enabled
        self._bar = enabled and sys.stderr.isatty()
        self._console = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description:<26}"), BarColumn(), TimeElapsedColumn(), console=self._console, transient=True
        )

    def __enter__(self) -> "Shown":
        """Start the bar."""
        if self._bar:
            self._progress.start()
            self._task = self._progress.add_task("starting", total=len(_STAGES))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop the bar."""
        if self._bar:
            self._progress.stop()

    def progress(self, step: str, event: str, seconds: float) -> None:
        """One step started, ended well or failed."""
        name = _STAGES.get(step)
        if not self._enabled or name is None:
            return
        if self._bar:
            if event == "STEP_START":
                self._progress.update(self._task, description=name)
            else:
                self._progress.advance(self._task)
        elif event != "STEP_START":
            mark = "ok    " if event == "STEP_SUCCESS" else "FAILED"
            self._console.print(f"{mark} {name:<26} {seconds:6.1f} s", markup=False, highlight=False)
