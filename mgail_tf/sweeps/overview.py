"""How far a sweep is: a table of its runs, and an estimate of the time that is left."""

import csv
import heapq
import statistics
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from mgail_tf.sweeps.runs import Run

SECONDS = 60.0  # between tables


def makespan(seconds: Iterable[float], slots: int) -> float:
    """Return how long runs take, in the order in which they are given to `slots` workers."""
    free = [0.0] * slots
    for each in seconds:
        heapq.heapreplace(free, free[0] + each)
    return max(free)


class Durations:
    """What runs have taken, in seconds: those of this sweep, and before them those of a table."""

    def __init__(self, table: Path | None = None):
        """Read a table.

        Args:
            table: a runs.csv; None or absent: nothing is known before a run ends.
        """
        self._seconds: dict[tuple[str, ...], list[float]] = {}
        if table and table.exists():
            with table.open(newline="") as file:
                for row in csv.DictReader(file):
                    if row["mode"] == "deterministic":
                        seconds = float(row["wall_seconds"])
                        self._add((row["algorithm"], row["task"]), int(row["env_steps"]), seconds)
        self._of_table, self._seconds = self._seconds, {}

    def add(self, run: Run, seconds: float) -> None:
        """Take note of how long a run took."""
        self._add((run.algorithm, run.task), run.described.get("env_steps", 0), seconds)

    def _add(self, key: tuple[str, str], steps: int, seconds: float) -> None:
        for known in ((*key, str(steps)), key, key[:1]):
            self._seconds.setdefault(known, []).append(seconds)

    def expected(self, run: Run) -> float | None:
        """Return how long a run is expected to take; None where nothing like it is known.

        That is the median of the runs that are most like it: of its algorithm, task and budget,
        else of algorithm and task, else of its algorithm. Those of the sweep come before those of
        the table.
        """
        steps = str(run.described.get("env_steps", 0))
        key = run.algorithm, run.task
        for known in ((*key, steps), key, key[:1]):
            for seconds in (self._seconds, self._of_table):
                if known in seconds:
                    return statistics.median(seconds[known])
        return None


def shortest_first(runs: Sequence[Run], durations: Durations) -> list[Run]:
    """Return runs in the order of the time that they are expected to take, unknown ones last."""
    expected = {run: durations.expected(run) for run in runs}
    return sorted(runs, key=lambda run: (expected[run] is None, expected[run] or 0.0))


class _Running:
    """A run that is being made."""

    def __init__(self, where: str, whole: bool):
        self.where, self.whole, self.begun = where, whole, time.monotonic()
        self.count, self.seconds = 0, 0.0


class Overview:
    """The state of every run of a sweep."""

    def __init__(self, runs: Sequence[Run], durations: Durations, finished: int = 0):
        """Begin.

        Args:
            runs: that are to be made, in order.
            durations: what is known of how long they take; it is added to.
            finished: how many are finished already.
        """
        self._waiting = list(runs)
        self._running: dict[Run, _Running] = {}
        self._durations, self._finished, self._failed = durations, finished, 0
        self._shown = time.monotonic()

    def begun(self, run: Run, where: str) -> None:
        """Take note that a run is being made, somewhere: again, if it was begun before."""
        if run in self._waiting:
            self._waiting.remove(run)
        again = run in self._running or run.folder.exists()
        self._running[run] = _Running(where, not again)

    def at(self, run: Run, count: int, seconds: float) -> None:
        """Take note of how far a run is, in its own unit, and of its seconds so far."""
        if run in self._running:
            self._running[run].count, self._running[run].seconds = count, seconds

    def ended(self, run: Run, well: bool) -> None:
        """Take note that a run is over; how long it took is known if the sweep saw all of it."""
        if run in self._waiting:
            self._waiting.remove(run)
        state = self._running.pop(run, None)
        self._finished += well
        self._failed += not well
        if well and state and state.whole:
            self._durations.add(run, time.monotonic() - state.begun)

    def left(self, slots: int) -> float | None:
        """Return an estimate of the seconds that are left with so many workers; None: unknown.

        A run of which nothing like it is known is taken to be as long as the others on the mean.
        """
        running = [self._left_of(run, state) for run, state in self._running.items()]
        waiting = [self._durations.expected(run) for run in self._waiting]
        known = [seconds for seconds in (*running, *waiting) if seconds is not None]
        if not known:
            return None
        mean = statistics.mean(known)
        return makespan((mean if s is None else s for s in (*running, *waiting)), max(1, slots))

    def _left_of(self, run: Run, state: _Running) -> float | None:
        """Return the seconds that a running run has left."""
        total = run.described.get("env_steps")
        if total and state.count > 0.05 * total:  # at its own speed
            return state.seconds * (total / state.count - 1.0)
        expected = self._durations.expected(run)
        return None if expected is None else max(0.0, expected - state.seconds)

    def due(self) -> bool:
        """Return whether a table is due."""
        return time.monotonic() - self._shown >= SECONDS

    def table(self, slots: int) -> str:
        """Return the table of the runs that are being made, and a line on all."""
        self._shown = time.monotonic()
        rows = [("run", "where", "at", "of", "time left")]
        for run, state in self._running.items():
            total = run.described.get("env_steps")
            goal = f"{total:,}" if total else "-"
            rows.append(
                (str(run), state.where, f"{state.count:,}", goal, span(self._left_of(run, state)))
            )
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                f"{x:<{w}}" if i < 2 else f"{x:>{w}}"
                for i, (x, w) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        ]
        counts = f"{self._finished} finished, {self._failed} failed, {len(self._running)} running"
        left = f"{len(self._waiting)} waiting; time left {span(self.left(slots))}"
        return "\n".join([*(lines if self._running else []), f"{counts}, {left}"])


def span(seconds: float | None) -> str:
    """Return a time as a text, such as 2 h 05 min."""
    if seconds is None:
        return "unknown"
    minutes = round(seconds / 60.0)
    if minutes < 1:
        return "under a minute"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest:02} min" if hours else f"{minutes} min"
