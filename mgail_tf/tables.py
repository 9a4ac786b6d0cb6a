"""Tables of results: where they lie, their columns, and rows that two processes may append."""

import csv
import fcntl
import hashlib
import importlib
import importlib.metadata
import io
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mgail_tf.types import BadInput

RESULTS = Path(__file__).resolve().parent.parent / "results"
_SCORE = ("mode", "episodes", "return_mean", "return_std_over_episodes", "length_mean")
_RUN = ("algorithm", "variant", "num_trajectories", "subsample", "seed")
# what results/README.md explains
RUN_COLUMNS = (
    *("task", "env_id", *_RUN, "env_steps", *_SCORE, "normalised", "wall_seconds"),
    *("demos_sha256", "config_sha256", "commit", "versions", "prefill_steps", "evaluation_steps"),
)
EXPERT_COLUMNS = (
    *("task", "env_id", "env_steps", *_SCORE, "random_return_mean", "wall_seconds"),
    *("weights_sha256", "commit", "versions", "seed", "command", "algorithm", "normalised"),
)
CURVE_COLUMNS = ("task", *_RUN, "env_steps", "return", "evaluation")
_PACKAGES = ("tensorflow", "tensorflow-probability", "keras", "gymnasium", "mujoco", "numpy")


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:  # there by another name: tensorflow-cpu
        return importlib.import_module(name.replace("-", "_")).__version__


def versions() -> str:
    """Return the versions that a result depends on, as one text."""
    found = [f"{name} {_version(name)}" for name in _PACKAGES]
    return "; ".join([f"python {platform.python_version()}", *found])


def commit() -> str:
    """Return the source's commit, with + where mgail_tf/ or launch/ differs; "" outside git."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(RESULTS.parent), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", "mgail_tf", "launch")
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def curves_of(table: Path) -> Path:
    """Return where the learning curves of a table's runs are kept.

    Those of runs.csv in curves.csv beside it, of any other X.csv in X_curves.csv: one run's name
    may stand in both tables, with other settings.
    """
    return table.with_name("curves.csv" if table.stem == "runs" else f"{table.stem}_curves.csv")


def config_sha256(config: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a config as canonical JSON."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


def check_table(path: Path, columns: Sequence[str]) -> None:
    """Refuse a CSV that rows of these columns cannot be appended to, before a run takes its time.

    Raises:
        BadInput: it is a folder or a device, is below a file, or has other columns.
    """
    if path.exists() and not path.is_file():
        raise BadInput(
            f"{path}: found {'a folder' if path.is_dir() else 'a device'}, expected a file"
        )
    ancestor = next(p for p in (path, *path.parents) if p.exists())
    if ancestor != path:
        if not ancestor.is_dir():
            raise BadInput(f"{path}: {ancestor} is a file, expected a folder")
        return
    try:
        with path.open(newline="") as file:
            header = next(csv.reader(file), None)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: not a CSV that can be appended to ({error})") from error
    if header is not None and header != list(columns):
        raise BadInput(f"{path}: columns: found {header}, expected {list(columns)}")


def append_row(path: Path, row: Mapping[str, Any], once: bool = False) -> None:
    """Append to a CSV of results; two processes that do so at once lose nothing.

    Args:
        once: not if the very same row is there already.

    Raises:
        BadInput: the file's columns are others.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", newline="") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        held = file.read()
        rows = list(csv.reader(io.StringIO(held)))
        if rows and rows[0] != list(row):
            raise BadInput(f"{path}: columns: found {rows[0]}, expected {list(row)}")
        text = io.StringIO()
        csv.DictWriter(text, list(row), lineterminator="\n").writerow(row)
        if once and next(csv.reader(io.StringIO(text.getvalue()))) in rows[1:]:
            return
        if not rows:
            file.write(",".join(row) + "\n")
        elif not held.endswith("\n"):  # an editor took it
            file.write("\n")
        file.write(text.getvalue())
