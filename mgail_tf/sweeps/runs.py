"""The runs of a sweep: what each is, and the process that makes it."""

import ctypes
import dataclasses
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mgail_tf.errors import BadInput, one_line
from mgail_tf.files import make_folder

ENDS = {0: "done", 130: "stopped", -signal.SIGINT: "stopped"}  # by exit code
_PR_SET_PDEATHSIG = 1  # of Linux


def log_of(folder: Path) -> Path:
    """Return the file beside a run's folder that holds what it printed."""
    return folder.with_name(f"{folder.name}.log")


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """One run of a sweep."""

    algorithm: str
    task: str
    label: str
    num_trajectories: int | None
    seed: int
    folder: Path
    flags: tuple[str, ...]  # of its launch script, beside --out and --demos
    described: dict[str, Any]  # entries of its config.json; None: it has none of that name
    demos: str | None = None  # a file, a folder or minari:ID; None: the committed expert's

    def __str__(self) -> str:
        """Return its name in messages."""
        shown = f" {self.num_trajectories} trajectories" if self.num_trajectories else ""
        return f"{self.algorithm} {self.task}{shown} {self.label} seed {self.seed}"

    @property
    def log(self) -> Path:
        """The file beside its folder that holds what it printed."""
        return log_of(self.folder)

    def command(self, root: Path, folder: Path, demos: str | None) -> list[str]:
        """Return the command that makes it, or goes on with it.

        Args:
            root: the folder that holds launch/.
            folder: where it is made.
            demos: where its demonstrations are there.
        """
        script = root / "launch" / f"train_{self.algorithm}.py"
        command = [sys.executable, str(script), *self.flags, f"--out={folder}", "--resume"]
        return [*command, f"--demos={demos}"] if demos else command

    def made(self) -> bool:
        """Return whether it is finished.

        Raises:
            BadInput: its folder holds another finished run.
        """
        path = self.folder / "config.json"
        if not (self.folder / "final.json").exists():
            return False
        try:
            found = json.loads(path.read_text())
            differing = [n for n, value in self.described.items() if found.get(n) != value]
        except (OSError, ValueError, AttributeError) as error:
            raise BadInput(f"{path}: not that of a run ({one_line(error)})") from error
        if differing:
            raise BadInput(f"{path}: {differing[0]}: another run's; choose another --out")
        return True


class Process:
    """The process of a run, whose output goes to the end of a log file.

    On Linux it ends with the process that began it, however that ends.
    """

    def __init__(self, command: list[str], log: Path, **options: Any):
        """Begin it.

        Args:
            command: what is run.
            log: the file; what it holds is kept.
            options: further ones of `subprocess.Popen`.
        """
        self._file = log.open("a+")
        self._begin = self._file.seek(0, os.SEEK_END)
        output: dict[str, Any] = {"stdout": self._file, "stderr": self._file}
        end = _end_with(os.getpid())
        self.popen = subprocess.Popen(command, preexec_fn=end, **output, **options)

    def wait(self, seconds: float) -> int | None:
        """Return its exit code; None if it goes on after so many seconds."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def last_line(self) -> str:
        """Return the last line that it printed, and close the log."""
        with self._file as log:
            log.seek(self._begin)
            return log.read().replace("\r", "\n").strip().split("\n")[-1]


def _end_with(parent: int) -> Any:
    """Return what a child calls first, to be killed when its parent ends; None if not on Linux."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)  # loaded before the fork, after which little is safe

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before it was asked
            os._exit(1)

    return ask


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Keep other sweeps out of a folder.

    Raises:
        BadInput: one is there.
    """
    make_folder(folder)
    path = folder / ".sweep.lock"
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BadInput(f"{folder}: another sweep is writing there") from error
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def place(folder: Path) -> tuple[int, float] | None:
    """Return how far a run is, in its own unit, and its seconds; None before its first row."""
    try:
        with (folder / "progress.csv").open("rb") as file:
            columns = file.readline().decode().strip().split(",")
            file.seek(max(file.tell(), file.seek(0, os.SEEK_END) - 4096))
            last = file.read().decode().rstrip("\n").split("\n")[-1].split(",")
        return int(last[0]), float(last[columns.index("wall_seconds")])
    except (OSError, ValueError, IndexError):
        return None  # none yet, or its last row is being written
