"""How scores grow with the number of demonstrated trajectories."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from mgail_tf.config.tasks import TASKS
from mgail_tf.reporting.comparisons import ALGORITHMS
from mgail_tf.reporting.panels import draw_tasks, in_order, mark
from mgail_tf.reporting.tables import read

_COLUMNS = (
    *("task", "algorithm", "variant", "num_trajectories", "subsample"),
    *("mode", "normalised"),
)


def _finals(folder: Path) -> pd.DataFrame:
    """Return the final policies that count: of the paper's tasks, by its sub-sampling."""
    runs = read(folder / "runs.csv", _COLUMNS)
    every = runs["task"].map({name: task.subsample for name, task in TASKS.items()})
    kept = every.isna() | (runs["subsample"] == every)
    kept &= runs["algorithm"].isin({algorithm for algorithm, _ in ALGORITHMS})
    return runs[kept & (runs["variant"] == "default") & (runs["mode"] == "deterministic")]


def plot_sizes(folder: Path, picture: Path) -> list[str]:
    """Draw the normalised score over the demonstrated trajectories, a panel a task.

    A point is the mean of the seeds' final policies (deterministic), a bar their range. Reads
    runs.csv of the folder.

    Returns:
        The tasks drawn: those with runs on several datasets. Without any, nothing is drawn.

    Raises:
        BadInput: the table is missing or lacks columns.
    """
    finals = _finals(folder)
    sizes = finals.groupby("task")["num_trajectories"].nunique()
    tasks = in_order(sizes[sizes > 1].index)

    def draw(task: str, axes: Axes) -> None:
        of_task = finals[finals["task"] == task]
        for (algorithm, _), (name, colour) in ALGORITHMS.items():
            runs = of_task[of_task["algorithm"] == algorithm]
            points = runs.groupby("num_trajectories")["normalised"].agg(["mean", "min", "max"])
            if not len(points):
                continue
            spread = [points["mean"] - points["min"], points["max"] - points["mean"]]
            drawn = points.index, points["mean"], spread
            axes.errorbar(*drawn, fmt="o-", ms=3, lw=1.2, color=colour, label=name)
        axes.set_xlabel("demonstrated trajectories")
        mark(axes, of_task["num_trajectories"])

    if tasks:
        draw_tasks(tasks, picture, draw, "linear")
    return tasks
