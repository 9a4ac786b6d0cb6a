"""How many environment steps it takes to come near the expert: ours, and what others published."""

import math
from pathlib import Path
from typing import Any

import pandas as pd

from mgail_tf.config.tasks import TASKS
from mgail_tf.reporting.tables import read

LEVELS = (0.5, 0.9, 0.95)  # of the expert, normalised
COLUMNS = (
    *("task", "algorithm", "trajectories", "level", "seeds", "reached"),
    *("env_steps", "env_steps_lowest", "env_steps_highest", "evaluation_steps", "source"),
)
_RUN = ["task", "algorithm", "num_trajectories", "subsample", "seed"]


def interactions(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of interactions.csv: ours on the smallest datasets, then those of others.

    `env_steps` is the median over seeds of the steps at the first evaluation on the way (of the
    deterministic policy, after every tenth of the budget) that is at a level; it is empty where
    no more than half of the seeds got there. Prefill is counted in it. `evaluation_steps` is the
    median of the steps of evaluations up to then: as large a share of the run's as there were
    evaluations. Of others, what is published, at a level where they name one.

    Raises:
        BadInput: a table is missing, or no table.
    """
    runs = read(folder / "runs.csv", [*_RUN, "variant", "mode", "evaluation_steps"])
    columns = [*_RUN, "variant", "env_steps", "evaluation"]
    curves = read(folder / "curves.csv", columns)[columns]
    experts = read(folder / "experts.csv", ["task", "mode", "return_mean", "random_return_mean"])
    sampled = experts[experts["mode"] == "stochastic"].set_index("task")
    runs = runs[runs["mode"] == "deterministic"]
    ways = curves.dropna(subset=["evaluation"]).merge(
        runs[[*_RUN, "variant", "evaluation_steps"]], on=[*_RUN, "variant"]
    )
    ways = ways[ways["variant"] == "default"]
    rows = []
    for name, task in TASKS.items():
        if name not in sampled.index:  # experts.csv of a folder without the paper's tasks
            continue
        low, high = sampled.loc[name, ["random_return_mean", "return_mean"]].to_numpy(float)
        for algorithm in ("mgail", "gail"):
            cell = (ways["task"] == name) & (ways["algorithm"] == algorithm)
            cell &= ways["num_trajectories"] == task.num_trajectories
            cell &= ways["subsample"] == task.subsample
            own = ways[cell].copy()
            own["score"] = (own["evaluation"] - low) / (high - low)
            named = {"task": name, "algorithm": algorithm, "trajectories": task.num_trajectories}
            rows += [named | _reached(own, level) for level in LEVELS if len(own)]
    return [{key: _text(row.get(key)) for key in COLUMNS} for row in (*rows, *_published(folder))]


def _reached(ways: pd.DataFrame, level: float) -> dict[str, Any]:
    """Return when the runs of a cell are at a level for the first time."""
    first, evaluated = [], []
    for _, way in ways.sort_values("env_steps").groupby("seed"):
        above = (way["score"] >= level).to_numpy()
        number = above.argmax() if above.any() else None  # of evaluations before it
        first.append(math.inf if number is None else way["env_steps"].iloc[number])
        share = 1.0 if number is None else (number + 1) / len(way)
        evaluated.append(share * way["evaluation_steps"].iloc[0])
    steps = pd.Series(first, dtype=float)
    row: dict[str, Any] = {"level": level, "seeds": len(steps), "source": "here"}
    row["reached"] = int((steps < math.inf).sum())
    if row["reached"]:
        row["env_steps_lowest"] = steps.min()
    if (median := steps.median()) < math.inf:
        row |= {"env_steps": median, "evaluation_steps": pd.Series(evaluated).median()}
    if steps.max() < math.inf:
        row["env_steps_highest"] = steps.max()
    return row


def _published(folder: Path) -> list[dict[str, Any]]:
    """Return what is published of others."""
    columns = ["task", "algorithm", "trajectories", "level", "env_steps", "source"]
    table = read(folder / "published_interactions.csv", columns)
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def _text(value: Any) -> str:
    """Return a number without what it does not tell; nothing where there is none."""
    if value is None or value != value:
        return ""
    return f"{value:.10g}" if isinstance(value, float) else str(value)
