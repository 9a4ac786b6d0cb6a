"""What asking an expert costs: score against expert actions, and Forward Training against T."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from mgail_tf.config.tasks import TASKS, env_id_of
from mgail_tf.errors import BadInput
from mgail_tf.reporting.panels import draw_tasks, mark
from mgail_tf.reporting.tables import read

LINES = {  # algorithm -> (label, colour)
    "bc": ("BC", "tab:green"),
    "gail": ("GAIL", "tab:orange"),
    "mgail": ("MGAIL", "tab:blue"),
    "forward_training": ("Forward Training", "tab:purple"),
    "smile": ("SMILe", "tab:brown"),
    "dagger": ("DAgger", "tab:red"),
}
_BESIDE = 1.03  # ratio between the places of two algorithms with equal numbers of expert actions
ASKING = ("forward_training", "smile", "dagger")
_COLUMNS = (
    *("task", "env_id", "algorithm", "variant", "num_trajectories", "subsample", "seed"),
    *("env_steps", "mode", "normalised", "wall_seconds", "expert_queries"),
)


def _runs(folder: Path) -> pd.DataFrame:
    runs = read(folder / "runs.csv", ["algorithm", "mode"])
    if not runs["algorithm"].isin(ASKING).any():
        return pd.DataFrame(columns=_COLUMNS)
    return read(folder / "runs.csv", _COLUMNS).query("mode == 'deterministic'")


def asked_tasks(folder: Path) -> list[str]:
    """Return the tasks of which runs.csv has a run that asked an expert, and experts.csv its score.

    Raises:
        BadInput: a table is missing, or lacks columns.
    """
    runs, known = _runs(folder), read(folder / "experts.csv", ["task"])["task"]
    asked = runs[runs["algorithm"].isin(ASKING)]
    if not len(asked):
        return []
    found = set(asked[asked["variant"] == "default"]["task"]) & {*known}
    return [task for task in TASKS if task in found] + sorted(found - {*TASKS})


def queries_table(folder: Path) -> pd.DataFrame:
    """Return a row a task, algorithm and number of expert actions that it learnt from.

    Expert actions are queries, or demonstrated pairs: what the trajectories hold, one pair in
    `subsample` kept. Final policies of the default variant, deterministic; means over seeds.

    Raises:
        BadInput: a table is missing, or there is no run that asked an expert.
    """
    tasks = asked_tasks(folder)
    if not tasks:
        raise BadInput(f"{folder / 'runs.csv'}: found no run of {', '.join(ASKING)}")
    experts = read(folder / "experts.csv", ["task", "mode", "length_mean"])
    lengths = experts.query("mode == 'deterministic'").set_index("task")["length_mean"]
    runs = _runs(folder).query("variant == 'default' and task in @tasks").copy()
    runs = runs[runs["algorithm"].isin([*LINES])]
    held = np.ceil(runs["task"].map(lengths) / runs["subsample"])
    runs["expert_actions"] = (runs["num_trajectories"] * held).round().astype(int)
    by = ["task", "algorithm", "expert_actions"]
    table = runs.groupby(by).agg(
        seeds=("seed", "nunique"),
        expert_queries=("expert_queries", "mean"),
        env_steps=("env_steps", "mean"),
        wall_seconds=("wall_seconds", "mean"),
        normalised=("normalised", "mean"),
        normalised_min=("normalised", "min"),
        normalised_max=("normalised", "max"),
    )
    return table.reset_index().round(6)


def plot_queries(folder: Path, picture: Path) -> list[str]:
    """Draw the normalised score over the expert actions that were learnt from, a panel a task.

    A line is the mean of the seeds, a bar their range. Reads runs.csv and experts.csv.

    Returns:
        The tasks drawn.

    Raises:
        BadInput: a table is missing, or there is no run that asked an expert.
    """
    table, tasks = queries_table(folder), asked_tasks(folder)

    order = [*LINES]

    def draw(task: str, axes: Axes) -> None:
        for algorithm, (name, colour) in LINES.items():
            rows = table[(table["task"] == task) & (table["algorithm"] == algorithm)]
            if not len(rows):
                continue
            mean = rows["normalised"]
            spread = [mean - rows["normalised_min"], rows["normalised_max"] - mean]
            beside = _BESIDE ** (order.index(algorithm) - len(order) / 2)  # bars don't cover others
            drawn = rows["expert_actions"] * beside, mean, np.clip(spread, 0.0, None)
            axes.errorbar(*drawn, fmt="o-", ms=3, lw=1.2, color=colour, label=name)
        axes.set_xlabel("expert actions learnt from")
        asked = (table["task"] == task) & table["algorithm"].isin(ASKING)
        mark(axes, table.loc[asked, "expert_actions"])

    draw_tasks(tasks, picture, draw)
    return tasks


def horizons_table(folder: Path) -> pd.DataFrame:
    """Return a row a task and time limit T of Forward Training's runs labelled T50, T200, ...

    `launch/train_interactive.py --horizon` labels runs so; the table is empty where there are none.
    An environment that is a task's but for its time limit has that task's name.

    Raises:
        BadInput: runs.csv is missing, or lacks columns.
    """
    runs = _runs(folder)
    runs = runs[runs["algorithm"] == "forward_training"].copy()
    names = {task.env_id: name for name, task in TASKS.items()}
    runs["task"] = runs["env_id"].map(names).fillna(runs["task"])
    runs["horizon"] = runs["variant"].astype(str).str.extract(r"^T(\d+)$", expand=False)
    runs = runs.dropna(subset=["horizon"]).astype({"horizon": int})
    table = runs.groupby(["task", "horizon"]).agg(
        seeds=("seed", "nunique"),
        expert_queries=("expert_queries", "mean"),
        env_steps=("env_steps", "mean"),
        wall_seconds=("wall_seconds", "mean"),
        normalised=("normalised", "mean"),
        normalised_min=("normalised", "min"),
    )
    return table.reset_index().round(6)


def plot_horizons(folder: Path, picture: Path) -> list[str]:
    """Draw what Forward Training costs and scores against its time limit T.

    Returns:
        The tasks drawn.

    Raises:
        BadInput: runs.csv is missing, or has no run labelled by its time limit.
    """
    table = horizons_table(folder)
    if not len(table):
        raise BadInput(f"{folder / 'runs.csv'}: found no run of forward_training labelled T50, ...")
    figure = Figure(figsize=(9.0, 2.8), layout="constrained")
    panels = {
        "normalised": "normalised score",
        "env_steps": "environment steps",
        "wall_seconds": "seconds",
    }
    for axes, (column, name) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        for task, rows in table.groupby("task"):
            axes.plot(rows["horizon"], rows[column], "o-", ms=3, label=env_id_of(str(task)))
        axes.set(xlabel="T, the time limit", ylabel=name, xscale="log")
        if column != "normalised":
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.yaxis.set_major_formatter(EngFormatter(sep=""))
            axes.yaxis.set_minor_formatter(NullFormatter())
        mark(axes, table["horizon"])
        axes.legend(fontsize=7, frameon=False)
    figure.savefig(picture, dpi=150)
    return sorted(set(table["task"]))
