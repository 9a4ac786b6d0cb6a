"""Run folders, finished or not, as pictures and tables compare them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from mgail_tf.config.tasks import env_id_of
from mgail_tf.errors import BadInput, one_line
from mgail_tf.reporting import tables


class RunFolder(NamedTuple):
    """What a run's folder holds."""

    path: Path
    config: Mapping[str, Any]  # config.json
    progress: pd.DataFrame  # progress.csv; empty where nothing is written yet
    final: Mapping[str, Any] | None  # final.json; None: the run is not finished

    @property
    def env_id(self) -> str:
        """Name of the environment."""
        task = self.config["task"]
        if self.final is not None:
            return self.final["rows"][0]["env_id"]
        return env_id_of(task)

    @property
    def place(self) -> int:
        """Environment steps or epochs so far."""
        column = "env_steps" if "env_steps" in self.progress else "epoch"
        return int(self.progress[column].iloc[-1]) if column in self.progress else 0

    def score(self, mode: str = "deterministic", name: str = "return_mean") -> float | None:
        """Return a column of the final policy's row; None if the run is not finished."""
        rows = [] if self.final is None else self.final["rows"]
        return next((row[name] for row in rows if row["mode"] == mode), None)


def read(folder: Path) -> RunFolder:
    """Read a run's folder.

    Raises:
        BadInput: it is none, or a file in it is damaged.
    """
    if not (folder / "config.json").exists():
        raise BadInput(f"{folder}: found no config.json, expected the folder of a run")
    progress, final = pd.DataFrame(), None
    written = folder / "progress.csv"
    if written.exists() and written.stat().st_size:  # that of a run killed early may be empty
        progress = tables.read(written, [])
    try:
        config = json.loads((folder / "config.json").read_text())
        if (folder / "final.json").exists():
            final = json.loads((folder / "final.json").read_text())
        run = RunFolder(folder, config, progress, final)
        _ = (run.env_id, run.place, [config[name] for name in ("algorithm", "variant", "seed")])
        for mode in ("deterministic", "stochastic"):
            _ = run.score(mode), run.score(mode, "normalised")
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise BadInput(f"{folder}: not a run that can be compared ({one_line(error)})") from error
    return run


def labels(runs: Sequence[RunFolder]) -> list[str]:
    """Return a name for each run: what it differs in from the others of its environment.

    Where that is nothing, the run's folder is named too.
    """
    described = [
        {
            "algorithm": str(run.config["algorithm"]).upper(),
            "variant": str(run.config["variant"]),
            "num_trajectories": _shown(run.config.get("num_trajectories")),
            "seed": f"seed {run.config['seed']}",
        }
        for run in runs
    ]
    found = []
    for run, own in zip(runs, described, strict=True):
        beside = [d for r, d in zip(runs, described, strict=True) if r.env_id == run.env_id]
        differs = [name for name in own if len({other[name] for other in beside}) > 1]
        label = ", ".join(own[name] for name in differs if own[name]) or own["algorithm"]
        found.append(f"{label} ({run.path})" if beside.count(own) > 1 else label)
    return found


def _shown(trajectories: int | None) -> str:
    if trajectories is None:  # it learns from the reward
        return ""
    return "1 trajectory" if trajectories == 1 else f"{trajectories} trajectories"


def score_lines(runs: Sequence[RunFolder], names: Sequence[str]) -> list[str]:
    """Return a table of the final scores, a line a run, its header first.

    Args:
        names: of the runs, see `labels`.
    """
    rows = [("run", "environment", "steps", "deterministic", "stochastic", "normalised")]
    for run, name in zip(runs, names, strict=True):
        steps = f"{run.config['env_steps']:,}" if "env_steps" in run.config else "-"
        if run.final is None:
            unit = "epochs" if run.config["algorithm"] == "bc" else "steps"
            so_far = f"unfinished, {run.place:,} {unit} so far"
            rows.append((name, run.env_id, steps, so_far, "", ""))
            continue
        scores = [run.score(mode) for mode in ("deterministic", "stochastic")]
        normalised = run.score(name="normalised")
        cells = ["-" if score is None else f"{score:,.1f}" for score in scores]
        cells.append("-" if normalised is None else f"{normalised:.3f}")
        rows.append((name, run.env_id, steps, cells[0], cells[1], cells[2]))
    left = [max(len(row[i]) for row in rows) for i in (0, 1)]
    return [
        f"{row[0]:{left[0]}}  {row[1]:{left[1]}}"
        + "".join(f"{cell:>15}" if len(cell) < 15 else f"   {cell}" for cell in row[2:]).rstrip()
        for row in rows
    ]
