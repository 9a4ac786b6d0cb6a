"""A results folder: the learning curves of every task, and Figure 5, the forward models."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator

from mgail_tf.errors import BadInput
from mgail_tf.reporting.panels import draw_tasks, in_order
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
    """Return the experts as sampled, by task, the deterministic final rows, and the evaluations.

    Of each task the runs on its smallest dataset count.
    """
    run = ("task", "algorithm", "variant", "num_trajectories", "seed", "env_steps")
    levels = ("task", "mode", "random_return_mean", "return_mean")
    finals = (*run, "mode", "normalised", "demos_sha256")
    columns = levels, finals, (*run, "evaluation")
    names = "experts.csv", "runs.csv", "curves.csv"
    experts, runs, curves = (read(folder / n, c) for n, c in zip(names, columns, strict=True))
    sampled = experts[experts["mode"] == "stochastic"].set_index("task")
    runs = runs[runs["mode"] == "deterministic"]
    curves = curves.dropna(subset=["evaluation"])
    return sampled, *_smallest(runs, curves)


def _smallest(runs: pd.DataFrame, curves: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep of each task the fewest trajectories of which there are curves."""
    fewest = curves.groupby("task")["num_trajectories"].min()

    def kept(rows: pd.DataFrame) -> pd.DataFrame:
        return rows[rows["num_trajectories"] == rows["task"].map(fewest)]

    return kept(runs), kept(curves)


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
    return in_order(set(_paired(curves)["task"])) if len(_models(curves)) > 1 else []


def plot_tasks(folder: Path, picture: Path, lines: Lines = ALGORITHMS) -> list[str]:
    """Draw every task of a results folder: normalised score over environment steps.

    Reads experts.csv, runs.csv and curves.csv there, as `launch/collect.py` writes them; of each
    task those runs count that were shown the fewest trajectories. A line is the mean of the seeds'
    evaluations (deterministic) on the way, a band their range, a cross the final policies' mean;
    cloning takes no steps and is a level. Of Figure 5's, only the seeds that all its forward models
    have count.

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
    tasks = in_order({*sampled.index} & {*drawn["task"]})
    if not tasks:
        raise BadInput(f"{folder / 'curves.csv'}: found no curve of a task with an expert")
    drawn = drawn[drawn["task"].isin(tasks)]
    levels = sampled.loc[drawn["task"], ["random_return_mean", "return_mean"]].to_numpy(float)
    drawn["score"] = (drawn["evaluation"] - levels[:, 0]) / (levels[:, 1] - levels[:, 0])
    ends = min(-0.15, drawn["score"].min() - 0.05), max(1.2, drawn["score"].max() + 0.1)

    def draw(task: str, axes: Axes) -> None:
        scores = drawn[drawn["task"] == task]
        _draw_task(axes, scores, runs[runs["task"] == task], lines)
        axes.set(xlabel="environment steps", ylim=ends)
        if (steps := scores["env_steps"]).max() < 100 * steps.min():  # less than two decades
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))

    draw_tasks(tasks, picture, draw)
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


def _draw_task(axes: Axes, scores: pd.DataFrame, runs: pd.DataFrame, lines: Lines) -> None:
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
