"""Run directories."""

import csv
import fcntl
import json
import math
import os
import shutil
import signal
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mgail_tf import checkpoint, tables
from mgail_tf.checkpoint import Resumable
from mgail_tf.types import BadInput, Diverged

# what is measured of an evaluation's episodes, see `held_out.measure`
HELD_OUT = (
    *("open_loop_1", "open_loop_5", "open_loop_T"),
    *("logit_agent", "logit_expert", "logit_imagined"),
)
_MAY_BE_NAN = ("return", "length", "evaluation", *HELD_OUT)  # where no episode ended or was run


def check_free(path: Path) -> None:
    """Refuse a path where something would be overwritten.

    Raises:
        BadInput: it is a file, or a folder that holds something.
    """
    if path.exists() and not path.is_dir():
        raise BadInput(f"{path}: is a file, expected a directory to write")
    if path.exists() and {p.name for p in path.iterdir()} - {".lock"}:
        raise BadInput(f"{path}: exists and is not empty; choose another --out or remove it")


def make_folder(path: Path) -> None:
    """Make a folder and those above it.

    Raises:
        BadInput: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{path}: cannot be made ({error.strerror})") from error


class Run:
    """One training run's directory: config.json, progress.csv, and final.json once finished.

    Used as a context, in which Ctrl-C waits for the next `checkpoint`.
    """

    def __init__(
        self, path: Path, config: Mapping[str, Any], resume: bool = False, every: float = 60.0
    ):
        """Claim an empty or absent directory, or with `resume` the one that the run began in.

        Args:
            every: seconds between checkpoints.

        Raises:
            BadInput: the directory holds another run or a finished one, is being written by
                another process, or cannot be written.
        """
        if not (resume and (path / "config.json").exists()):
            check_free(path)
        self.path, self._every = path, every
        self.saved: dict[str, Any] | None = None
        self._columns: list[str] = []
        self._rows = 0
        self._start = self._last = time.monotonic()
        self._interrupted = False
        self._handler: Any = None
        text = json.dumps(config, indent=2) + "\n"
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = (path / ".lock").open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if (path / "config.json").exists():
                self._take_up(text)
            else:
                write_whole(path / "config.json", text)
        except BlockingIOError as error:
            raise BadInput(f"{path}: another process is writing there") from error
        except OSError as error:
            raise BadInput(f"{path}: cannot be written ({error.strerror})") from error

    def _take_up(self, text: str) -> None:
        """Check that the directory's run is this one, and cut progress.csv to its checkpoint."""
        if (self.path / "config.json").read_text() != text:
            raise BadInput(f"{self.path}: config.json is another run's; choose another --out")
        if (self.path / "final.json").exists():
            self._tidy()  # it may have been killed right after it finished
            raise BadInput(f"{self.path}: the run is finished; choose another --out")
        self.saved = checkpoint.load(self.path / "checkpoints")
        size = 0
        if self.saved:
            run = self.saved["run"]
            size, self._columns, self._rows = run["bytes"], run["columns"], run.get("rows", 0)
            self._start -= run["seconds"]
            if (was := run.get("versions")) != tables.versions():
                text = f"{self.path}: saved with {was or 'other versions'}; with the present ones"
                warnings.warn(f"{text} it will not end bit for bit as it would have", stacklevel=2)
        if (self.path / "progress.csv").exists():
            os.truncate(self.path / "progress.csv", size)

    def restore(self, training: Resumable) -> None:
        """Put what the last checkpoint holds into a training.

        Raises:
            BadInput: it does not fit.
        """
        assert self.saved is not None
        try:
            training.restore(self.saved["training"])
        except (KeyError, ValueError, TypeError) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            expected = "expected one of this version of the package; choose another --out"
            raise BadInput(f"{self.path}: checkpoint: {reason}; {expected}") from error

    def __enter__(self) -> "Run":
        """Hold Ctrl-C back until a checkpoint is due; a second one is let through."""

        def interrupt(number, frame):
            if self._interrupted:
                raise KeyboardInterrupt
            self._interrupted = True

        if threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGINT, interrupt)
        return self

    def trained(self) -> None:
        """Let Ctrl-C through again at once: what follows the training is short, and redone.

        Raises:
            KeyboardInterrupt: it was pressed.
        """
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
            self._handler = None
        if self._interrupted:
            raise KeyboardInterrupt(f"{self.path}: --resume goes on from the last checkpoint")

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Let Ctrl-C through again, and another process in; say what a diverged run can go back to.

        Raises:
            Diverged: it did.
        """
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
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
        """Append a row to progress.csv; the first one fixes the columns.

        Raises:
            Diverged: a loss, a gradient or another number of the training is not finite.
            BadInput: the run was begun by a version that measured other things.
        """
        self._rows += 1
        for name, value in row.items():
            if name not in _MAY_BE_NAN and not math.isfinite(value):
                raise Diverged(name, value, self._rows)
        row = {**row, "wall_seconds": round(self.seconds, 2)}
        first = not self._columns
        self._columns = self._columns or list(row)
        if row.keys() != set(self._columns):
            expected = "expected those of this version of the package; choose another --out"
            raise BadInput(f"{self.path}: progress.csv: other columns; {expected}")
        with (self.path / "progress.csv").open("a", newline="") as file:
            writer = csv.DictWriter(file, self._columns)
            if first:
                writer.writeheader()
            writer.writerow(row)

    def checkpoint(self, number: int, training: Resumable, **counters: Any) -> None:
        """Save checkpoint `number` if it is time or Ctrl-C was pressed.

        Raises:
            KeyboardInterrupt: it was.
        """
        if self._interrupted or time.monotonic() - self._last >= self._every:
            size = (self.path / "progress.csv").stat().st_size
            run = {"bytes": size, "columns": self._columns, "rows": self._rows}
            run |= {"seconds": self.seconds, "versions": tables.versions()}
            state = {"run": run, "training": training.state(), **counters}
            checkpoint.save(self.path / "checkpoints", number, state)
            self._last = time.monotonic()
        if self._interrupted:
            raise KeyboardInterrupt(f"{self.path}: saved at {number}; --resume goes on from there")

    def finish(self, final: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], table: Path):
        """Append the result rows to a table, and write final.json: the run is finished.

        A run that was killed here and is finished again appends the rows of the first time.

        Raises:
            BadInput: the table has other columns.
        """
        pending = self.path / "rows.json"
        if not pending.exists():
            write_whole(pending, json.dumps(list(rows)))
        for row in json.loads(pending.read_text()):
            tables.append_row(table, row, once=True)
        write_whole(self.path / "final.json", json.dumps(final, indent=2) + "\n")
        self._tidy()

    def _tidy(self) -> None:
        """Remove what a finished run does not need any more."""
        (self.path / "rows.json").unlink(missing_ok=True)
        shutil.rmtree(self.path / "checkpoints", ignore_errors=True)


def write_whole(path: Path, text: str) -> None:
    """Write a file that is never seen half written."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text)
    partial.replace(path)
