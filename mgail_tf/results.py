"""Run directories, CSV rows and learning-curve pictures."""

import csv
import fcntl
import hashlib
import importlib.metadata
import io
import json
import platform
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mgail_tf.types import BadInput

RESULTS = Path(__file__).resolve().parent.parent / "results"
_PACKAGES = ("tensorflow", "tensorflow-probability", "keras", "gymnasium", "mujoco", "numpy")


def versions() -> str:
    """Return the versions that a result depends on, as one text."""
    found = [f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES]
    return "; ".join([f"python {platform.python_version()}", *found])


def commit() -> str:
    """Return the commit of the source, with + where files differ from it; "" outside git."""
    root = RESULTS.parent
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=12", "--dirty=+"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def config_sha256(config: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a config as canonical JSON."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


def check_free(path: Path) -> None:
    """Refuse a path where something would be overwritten.

    Raises:
        BadInput: it is a file, or a folder that holds something.
    """
    if path.exists() and not path.is_dir():
        raise BadInput(f"{path}: is a file, expected a directory to write")
    if path.exists() and any(path.iterdir()):
        raise BadInput(f"{path}: exists and is not empty; choose another --out or remove it")


class Run:
    """One training run's directory: config.json, progress.csv, and final.json once finished."""

    def __init__(self, path: Path, config: Mapping[str, Any]):
        """Claim an empty or absent directory.

        Raises:
            BadInput: the directory holds another run, or cannot be written.
        """
        check_free(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            (path / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        except OSError as error:
            raise BadInput(f"{path}: cannot be written ({error.strerror})") from error
        self.path = path
        self._columns: list[str] = []
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """Wall-clock seconds since the run began."""
        return time.monotonic() - self._start

    def progress(self, row: Mapping[str, Any]) -> None:
        """Append a row to progress.csv; the first one fixes the columns."""
        row = {**row, "wall_seconds": round(self.seconds, 2)}
        first = not self._columns
        self._columns = self._columns or list(row)
        with (self.path / "progress.csv").open("a", newline="") as file:
            writer = csv.DictWriter(file, self._columns)
            if first:
                writer.writeheader()
            writer.writerow(row)

    def finish(self, final: Mapping[str, Any]) -> None:
        """Write final.json, whose presence means that the run is finished."""
        (self.path / "final.json").write_text(json.dumps(final, indent=2) + "\n")


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Append to a CSV of results; two processes that do so at once lose nothing.

    Raises:
        BadInput: the file's columns are others.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", newline="") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        header = next(csv.reader(file), None)
        if header is not None and header != list(row):
            raise BadInput(f"{path}: columns: found {header}, expected {list(row)}")
        text = io.StringIO()
        writer = csv.DictWriter(text, list(row), lineterminator="\n")
        if header is None:
            writer.writeheader()
        writer.writerow(row)
        file.write(text.getvalue())


def plot_curve(
    progress: Path, picture: Path, title: str, levels: Mapping[str, float], y: str = "return"
) -> None:
    """Draw a column of progress.csv over environment steps, with named horizontal levels."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import pandas as pd

    data = pd.read_csv(progress)
    figure, axes = plt.subplots(figsize=(6, 3.8), layout="constrained")
    axes.plot(
        data["env_steps"],
        data[y],
        alpha=0.25 if "evaluation" in data else 1,
        label="training episodes",
    )
    if "evaluation" in data:
        points = data.dropna(subset=["evaluation"])
        axes.plot(
            points["env_steps"], points["evaluation"], "o-", label="evaluation, deterministic"
        )
    for (name, level), style in zip(levels.items(), ("k--", "k:", "k-."), strict=False):
        axes.plot(data["env_steps"].iloc[[0, -1]], [level, level], style, lw=1, label=name)
    axes.set(xlabel="environment steps", ylabel="return", title=title)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(picture, dpi=120)
    plt.close(figure)
