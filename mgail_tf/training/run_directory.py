"""The folder of one run: what it holds, how it is begun, resumed and finished.

config.json     what the run is: written first, compared when it is resumed
progress.csv    a row an update (tensorboard/ holds the same)
checkpoints/    while it is not finished, and after that if they are to be kept
final.json      written last: its presence means that the run is finished
"""

import contextlib
import csv
import fcntl
import json
import math
import os
import shutil
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from mgail_tf import checkpoint
from mgail_tf.errors import BadInput, Diverged, one_line
from mgail_tf.files import check_free, to_json, write_whole
from mgail_tf.training.provenance import commit, versions
from mgail_tf.training.tensorboard import Summaries

_MAY_BE_NAN = ("return", "length", "evaluation")  # where no episode ended or was run


def check_finite(
    metrics: Mapping[str, float], update: int, may_be_nan: tuple[str, ...] = ()
) -> None:
    """Refuse metrics of which one is not finite.

    Args:
        update: which one they are of, from 1 on.
        may_be_nan: those that need not be, beside what is only known when an episode ends.

    Raises:
        Diverged: names the first that is not.
    """
    for name, value in metrics.items():
        if name not in (*_MAY_BE_NAN, *may_be_nan) and not math.isfinite(value):
            raise Diverged(name, value, update)


def finished(path: Path, config: Mapping[str, Any]) -> bool:
    """Return whether a folder holds a finished run, which has this config.

    One that kept its checkpoint is finished no more where the config has more `env_steps`. One
    that was killed at its very end may have a checkpoint that was not to be kept: it is removed.

    Raises:
        BadInput: the folder holds a finished run with another config, or one that was to go on and
            kept no checkpoint.
    """
    if not (path / "final.json").exists():
        return False
    if not (before := _steps_before(path, config)):
        if not _keeps_checkpoint(path):
            shutil.rmtree(path / "checkpoints", ignore_errors=True)
        return True
    if not checkpoint.newest(path / "checkpoints"):
        expected = f"{before}: it kept no checkpoint to go on from (--keep_checkpoint)"
        found = f"env_steps: found {config['env_steps']} for a finished run"
        raise BadInput(f"{path}: {found}, expected {expected}; choose another folder")
    return False


def _keeps_checkpoint(path: Path) -> bool:
    """Return whether a finished run was to keep its checkpoint.

    Raises:
        BadInput: its final.json is damaged.
    """
    try:
        return bool(json.loads((path / "final.json").read_text()).get("kept_checkpoint", True))
    except (OSError, ValueError, AttributeError) as error:
        raise BadInput(f"{path}: final.json: {one_line(error)}; choose another folder") from error


def _steps_before(path: Path, config: Mapping[str, Any]) -> int:
    """Return the `env_steps` that a folder's run was begun with, if they were fewer; 0 if not.

    Raises:
        BadInput: it is another run's. Names the first entry that differs, what was found and what
            was expected.
    """
    try:
        held = _flat(json.loads((path / "config.json").read_text()))
    except (OSError, ValueError, AttributeError) as error:
        raise BadInput(f"{path}: config.json: {one_line(error)}; choose another folder") from error
    wanted = _flat(json.loads(to_json(config)))
    # cloning takes no environment steps
    before, now = (int(entries.get("env_steps", 0)) for entries in (held, wanted))
    grown = before < now
    for name in dict.fromkeys([*wanted, *held]):
        if held.get(name) != wanted.get(name) and not (grown and name == "env_steps"):
            found, expected = held.get(name), wanted.get(name)
            raise BadInput(
                f"{path}: config.json: {name}: found {found} of another run, expected {expected}; "
                "choose another folder"
            )
    return before if grown else 0


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested entries under names with dots."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        nested = isinstance(value, Mapping)
        flat |= _flat(value, f"{prefix}{name}.") if nested else {f"{prefix}{name}": value}
    return flat


class Saved(Protocol):
    """What a checkpoint is made of."""

    def state_dict(self) -> dict[str, Any]:
        """Return everything that is needed to go on."""
        ...

    def restore_from(self, saved: Mapping[str, Any], name: str) -> None:
        """Go back to a `state_dict()`."""
        ...


class _Acknowledgement:
    """Says at once that Ctrl-C was pressed: Python hears of it only between TensorFlow's calls.

    The signal's number arrives on a socket, whatever the main thread is doing.
    """

    def __init__(self) -> None:
        self._read, self._write = socket.socketpair()
        self._write.setblocking(False)
        self._before = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self) -> None:
        with contextlib.suppress(OSError):
            while number := self._read.recv(1):
                if number[0] == signal.SIGINT:
                    text = "\nstopping after this update; Ctrl-C again ends at once"
                    print(text, file=sys.stderr, flush=True)
                    return

    def end(self) -> None:
        """Hear no more."""
        signal.set_wakeup_fd(self._before)
        self._write.close()  # which ends the thread


class Run:
    """A run that is going on. Used as a context, in which Ctrl-C waits for the next checkpoint."""

    def __init__(
        self,
        path: Path,
        config: Mapping[str, Any],
        resume: bool = False,
        every: float = 60.0,
        may_be_nan: tuple[str, ...] = (),
    ):
        """Claim an empty or absent directory, or with `resume` the one that the run began in.

        Args:
            every: seconds between checkpoints.
            may_be_nan: columns of progress.csv that need not hold a number in every row.

        Raises:
            BadInput: the directory holds another run, is being written by another process, or
                cannot be written.
        """
        if not (resume and (path / "config.json").exists()):
            check_free(path)
        self.path, self._every = path, every
        self._may_be_nan = may_be_nan
        self.saved: dict[str, Any] | None = None
        self._columns: list[str] = []
        self._rows = 0
        self._start = self._last = time.monotonic()
        self._interrupted = False
        self._handler: Any = None
        self._summaries: Summaries | None = None
        self._grown: Mapping[str, Any] | None = None  # the config of a run that goes on to more
        self.commit = commit()  # of the source; those of all parts if it was resumed with another
        with contextlib.ExitStack() as refused:
            try:
                path.mkdir(parents=True, exist_ok=True)
                self._lock = refused.enter_context((path / ".lock").open("w"))
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if (path / "config.json").exists():
                    self._take_up(config)
                else:
                    write_whole(path / "config.json", to_json(config))
                if not self.saved:
                    self._begin(0)
            except BlockingIOError as error:
                raise BadInput(f"{path}: another process is writing there") from error
            except OSError as error:
                raise BadInput(f"{path}: cannot be written ({error.strerror})") from error
            refused.pop_all()  # it is not: the lock is held until the context ends

    def _take_up(self, config: Mapping[str, Any]) -> None:
        """Check that the directory's run is this one, and read its checkpoint.

        It may have been begun with fewer steps: then it goes on to more.
        """
        before = _steps_before(self.path, config)
        self.saved = checkpoint.load(self.path / "checkpoints")
        if before:
            self._grown = config
            text = f"{self.path}: begun for {before} steps, goes on to {config['env_steps']}: not"
            warnings.warn(
                f"{text} the run that would have been, as rates and noise fall with the budget",
                stacklevel=2,
            )
        if self.saved:
            run = self.saved["run"]
            self._columns, self._rows = run["columns"], run.get("rows", 0)
            self._start -= run["seconds"]
            commits = run.get("commit", self.commit).split()
            if commits and self.commit not in ("", commits[-1]):
                text = f"{self.path}: saved by commit {commits[-1]}; {self.commit} may not go on"
                warnings.warn(f"{text} bit for bit as it would have", stacklevel=2)
                commits.append(self.commit)
            self.commit = " ".join(commits)
            if (was := run.get("versions")) != versions():
                text = f"{self.path}: saved with {was or 'other versions'}; with the present ones"
                warnings.warn(f"{text} it will not end bit for bit as it would have", stacklevel=2)

    def _begin(self, size: int) -> None:
        """Cut progress.csv to what a checkpoint knows of it, and begin tensorboard/ with that.

        Of a killed run both may hold more.

        Args:
            size: bytes of progress.csv.

        Raises:
            BadInput: it holds less.
        """
        rows = self.path / "progress.csv"
        if (held := rows.stat().st_size if rows.exists() else 0) < size:
            expected = f"expected the {size} that the checkpoint knows of; choose another folder"
            raise BadInput(f"{rows}: found {held} bytes, {expected}")
        if self._grown:
            # in this order: killed between, it is a run that goes on, and not a finished one
            (self.path / "final.json").unlink(missing_ok=True)
            write_whole(self.path / "config.json", to_json(self._grown))
        shutil.rmtree(self.path / "tensorboard", ignore_errors=True)
        self._summaries = summaries = Summaries(self.path / "tensorboard")
        if rows.exists():
            os.truncate(rows, size)
            with rows.open(newline="") as file:
                for row in csv.DictReader(file):
                    count, *values = row.items()
                    summaries.add(int(count[1]), {k: float(v) for k, v in values[:-1]})

    def restore(self, agent: Saved, *counters: str) -> tuple[Any, ...]:
        """Put what the last checkpoint holds into an agent; return the counters saved beside it.

        Raises:
            BadInput: it does not fit, or lacks a counter. The folder is left as it was.
        """
        assert self.saved is not None
        if missing := [name for name in counters if name not in self.saved]:
            expected = "expected a checkpoint of the same version"
            raise BadInput(f"{self.path}: checkpoint: found no {missing}; {expected}")
        agent.restore_from(self.saved["training"], f"{self.path}: checkpoint")
        self._begin(self.saved["run"]["bytes"])
        return tuple(self.saved[name] for name in counters)

    def __enter__(self) -> "Run":
        """Hold Ctrl-C back until a checkpoint is due; a second one is let through."""

        def interrupt(number, frame):
            if self._interrupted:
                raise KeyboardInterrupt
            self._interrupted = True

        if threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGINT, interrupt)
            self._acknowledgement = _Acknowledgement()
        return self

    def trained(self) -> None:
        """Let Ctrl-C through again at once: what follows the training is short, and redone.

        Raises:
            KeyboardInterrupt: it was pressed.
        """
        self._let_through()
        if self._interrupted:
            newest = checkpoint.newest(self.path / "checkpoints")
            begins = "goes on from the last checkpoint" if newest else "begins again"
            raise KeyboardInterrupt(f"{self.path}: --resume {begins}")

    def _let_through(self) -> None:
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
            self._acknowledgement.end()
            self._handler = None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Let Ctrl-C through again, and another process in; say what a diverged run can go back to.

        Raises:
            Diverged: it did.
        """
        self._let_through()
        if self._summaries:
            self._summaries.close()
        self._lock.close()
        if isinstance(error, Diverged):
            newest = checkpoint.newest(self.path / "checkpoints")
            kept = f"the last good checkpoint is {newest}" if newest else "nothing was saved before"
            found = (error.metric, error.value, error.iteration)
            raise Diverged(*found, where=f" of {self.path}; {kept}") from error

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of the run, those before it was resumed included."""
        return time.monotonic() - self._start

    def progress(self, row: Mapping[str, Any]) -> None:
        """Append a row to progress.csv; its first entry counts steps or epochs.

        Raises:
            Diverged: a loss, a gradient or another number of the training is not finite.
            BadInput: the run was begun by a version that measured other things.
        """
        assert self._summaries is not None  # `restore` has begun them
        self._rows += 1
        check_finite(row, self._rows, self._may_be_nan)
        unit, *_ = row
        self._summaries.add(row[unit], {k: v for k, v in row.items() if k != unit})
        row = {**row, "wall_seconds": round(self.seconds, 2)}
        first = not self._columns
        self._columns = self._columns or list(row)
        if row.keys() != set(self._columns):
            expected = "expected those of this version of the package; choose another folder"
            raise BadInput(f"{self.path}: progress.csv: other columns; {expected}")
        with (self.path / "progress.csv").open("a", newline="") as file:
            writer = csv.DictWriter(file, self._columns)
            if first:
                writer.writeheader()
            writer.writerow(row)

    def checkpoint(self, number: int, agent: Saved, *, due: bool = False, **counters: Any) -> None:
        """Save checkpoint `number` if it is due, if it is time, or if Ctrl-C was pressed.

        Raises:
            KeyboardInterrupt: it was.
        """
        if due or self._interrupted or time.monotonic() - self._last >= self._every:
            with (self.path / "progress.csv").open("rb") as file:
                os.fsync(file.fileno())  # the checkpoint is of no use without it
                size = file.seek(0, os.SEEK_END)
            run = {"bytes": size, "columns": self._columns, "rows": self._rows}
            run |= {"seconds": self.seconds, "versions": versions(), "commit": self.commit}
            state = {"run": run, "training": agent.state_dict(), **counters}
            checkpoint.save(self.path / "checkpoints", number, state)
            self._last = time.monotonic()
        if self._interrupted:
            raise KeyboardInterrupt(f"{self.path}: saved at {number}; --resume goes on from there")

    def finish(self, final: Mapping[str, Any], keep_checkpoint: bool) -> None:
        """Write final.json, and remove what a finished run does not need any more."""
        final = {**final, "kept_checkpoint": keep_checkpoint}
        write_whole(self.path / "final.json", to_json(final))
        if not keep_checkpoint:
            shutil.rmtree(self.path / "checkpoints", ignore_errors=True)
