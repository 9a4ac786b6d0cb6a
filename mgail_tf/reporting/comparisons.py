"""A results folder: the learning curves of every task, and Figure 5, the forward models."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from mgail_tf.config.tasks import TASKS, env_id_of
from mgail_tf.errors import BadInput
from mgail_tf.reporting.tables import read

Lines = Mapping[tuple[str, str], tuple[str, str]]  # (algorithm, variant) -> (label, colour)
ALGORITHMS: Lines = {
    ("bc", "default"): ("BC", "tab:green"),
    ("gail", "default"): ("GAIL", "tab:orange"),
    ("mgail", "default"): ("MGAIL", "tab:blue"),
}
MODELS: Lines = {  # Figure 5
    ("mgail", "hadamard_gru"): ("GRU and Hadamard product", "tab:red"),
    ("mgail", "film_gru"): ("with paths around both", "tab:purple"),
    ("mgail", "default"): ("vanilla forward model", "tab:blue"),
}


def _of(rows: pd.DataFrame, line: tuple[str, str]) -> pd.DataFrame:
    return rows[(rows["algorithm"] == line[0]) & (rows["variant"] == line[1])]


def _results(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the experts as sampled, by task, the deterministic final rows, and the evaluations."""
    run = ("task", "algorithm", "variant", "seed", "env_steps")
    levels = ("task", "mode", "random_return_mean", "return_mean")
    finals = (*run, "mode", "normalised", "demos_sha256")
    columns = levels, finals, (*run, "evaluation")
    names = "experts.csv", "runs.csv", "curves.csv"
    experts, runs, curves = (read(folder / n, c) for n, c in zip(names, columns, strict=True))
    sampled = experts[experts["mode"] == "stochastic"].set_index("task")
    return sampled, runs[runs["mode"] == "deterministic"], curves.dropna(subset=["evaluation"])


def _models(rows: pd.DataFrame) -> Lines:
    """Return the forward models that there are rows of."""
    return {line: style for line, style in MODELS.items() if len(_of(rows, line))}


def _paired(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep what all forward models that there are have of a task: the same seeds."""
    key = ["task", "seed"]
    for line in _models(rows):
        rows = rows.merge(_of(rows, line)[key].drop_duplicates(), on=key)
    return rows


def compared(folder: Path) -> list[str]:
    """Return the tasks that have curves of all forward models that there are, of the same seed.

    There is none where there is only one of them.
    """
    _, _, curves = _results(folder)
    return _in_order(set(_paired(curves)["task"])) if len(_models(curves)) > 1 else []


def _in_order(tasks: Iterable[str]) -> list[str]:
    """Return the paper's tasks in its order, then others by name."""
    order = list(TASKS)
    return sorted(tasks, key=lambda task: (order.index(task) if task in TASKS else 99, task))


def plot_tasks(folder: Path, picture: Path, lines: Lines = ALGORITHMS) -> list[str]:
    """Draw every task of a results folder: normalised score over environment steps.

    Reads experts.csv, runs.csv and curves.csv there, as `launch/collect.py` writes them. A line is
    the mean of the seeds' evaluations (deterministic) on the way, a band their range, a cross the
    final policies' mean; cloning takes no steps and is a level. Of Figure 5's, only the seeds that
    all its forward models have count.

    Returns:
        The tasks drawn.

    Raises:
        BadInput: one of the files is missing, or there is no curve to draw.
    """
    sampled, runs, curves = _results(folder)
    if lines is MODELS:
        lines = _models(curves)
        runs, curves = _paired(runs), _paired(curves)
    drawn = pd.concat([_of(curves, line) for line in lines])
    tasks = _in_order({*sampled.index} & {*drawn["task"]})
    if not tasks:
        raise BadInput(f"{folder / 'curves.csv'}: found no curve of a task with an expert")
    columns = min(4, len(tasks))
    height = math.ceil(len(tasks) / columns)
    size = (3.0 * columns + 0.4, 2.5 * height + 0.7)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(height, columns, squeeze=False, sharey=True)
    for axes in grid.flat[len(tasks) :]:
        axes.axis("off")
    handles: dict[str, Any] = {}
    bottom, top = -0.15, 1.2  # the axes share them
    for task, axes in zip(tasks, grid.flat, strict=False):
        low, high = sampled.loc[task, ["random_return_mean", "return_mean"]].to_numpy(float)
        scores = drawn[drawn["task"] == task].copy()
        scores["score"] = (scores["evaluation"] - low) / (high - low)
        bottom = min(bottom, scores["score"].min() - 0.05)
        top = max(top, scores["score"].max() + 0.1)
        _draw_task(axes, scores, runs[runs["task"] == task], lines)
        axes.set(xscale="log", title=env_id_of(task), ylim=(bottom, top))
        axes.set_xlabel("environment steps")
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_minor_formatter(NullFormatter())
        if (steps := scores["env_steps"]).max() < 100 * steps.min():  # less than two decades
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        handles |= dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
    for axes in grid[:, 0]:
        axes.set_ylabel("normalised score")
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=5, frameon=False)
    figure.savefig(picture, dpi=150)
    return tasks


def model_table(folder: Path, tasks: list[str]) -> pd.DataFrame:
    """Return Figure 5 in numbers: a row a task and forward model, over the seeds that all have.

    `evaluation_mean` is the mean of all evaluations on the way, normalised: how soon it learns;
    `same_demonstrations`: on how many of the seeds all were shown the same.
    """
    sampled, runs, curves = _results(folder)
    models = _models(curves)
    runs, curves = _paired(runs), _paired(curves)
    rows = []
    for task in tasks:
        low, high = sampled.loc[task, ["random_return_mean", "return_mean"]].to_numpy(float)
        both = pd.concat([_of(runs[runs["task"] == task], line) for line in models])
        shown = both.groupby("seed")["demos_sha256"].nunique()
        for line, (name, _) in models.items():
            final, way = (_of(data[data["task"] == task], line) for data in (runs, curves))
            rows.append(
                {
                    "task": task,
                    "model": name,
                    "seeds": final["seed"].nunique(),
                    "env_steps": final["env_steps"].mean(),
                    "normalised": final["normalised"].mean(),
                    "normalised_min": final["normalised"].min(),
                    "evaluation_mean": (way["evaluation"].mean() - low) / (high - low),
                    "same_demonstrations": (shown == 1).sum(),
                }
            )
    return pd.DataFrame(rows).round(4)


def _draw_task(axes: Any, scores: pd.DataFrame, runs: pd.DataFrame, lines: Lines) -> None:
    axes.axhline(1.0, color="black", lw=0.8, ls="--", label="expert as sampled")
    for line, (name, colour) in lines.items():
        final = _of(runs, line)
        if line[0] == "bc" and len(final):
            axes.axhline(final["normalised"].mean(), color=colour, lw=1.3, ls=":", label=name)
        # one row a seed, one column an evaluation: a seed's first is level with another's first
        ours = _of(scores, line).sort_values(["seed", "env_steps"])
        ours = ours.assign(place=ours.groupby("seed").cumcount())
        by_place = ours.groupby("place").agg({"env_steps": "mean", "score": ["mean", "min", "max"]})
        if not len(by_place):
            continue
        steps, seeds = by_place["env_steps", "mean"], by_place["score"]
        axes.fill_between(steps, seeds["min"], seeds["max"], color=colour, alpha=0.2, lw=0)
        axes.plot(steps, seeds["mean"], color=colour, label=name)
        if len(final):
            axes.plot(final["env_steps"].mean(), final["normalised"].mean(), "x", color=colour)
