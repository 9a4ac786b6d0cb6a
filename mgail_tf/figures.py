"""Learning curves: the points that are kept of a run, and pictures of one run or of all tasks."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure  # not pyplot: a caller's backend is left alone
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from mgail_tf import paper, tables
from mgail_tf.tasks import TASKS
from mgail_tf.types import BadInput

_POINTS = 40  # kept of a run, beside its evaluations
Lines = Mapping[tuple[str, str], tuple[str, str]]  # (algorithm, variant) -> (label, colour)
ALGORITHMS: Lines = {
    ("bc", "default"): ("BC", "tab:green"),
    ("gail", "default"): ("GAIL", "tab:orange"),
    ("mgail", "default"): ("MGAIL", "tab:blue"),
}
MODELS: Lines = {  # Figure 5
    ("mgail", "hadamard_gru"): ("GRU and Hadamard product", "tab:red"),
    ("mgail", "default"): ("vanilla forward model", "tab:blue"),
}


def curve(progress: Path) -> pd.DataFrame:
    """Return what is kept of a progress.csv: env_steps, return, evaluation.

    `return` is the mean over a stretch of rows (of the mean return of training episodes);
    `evaluation`, of the deterministic policy, stands where one was made, and all of them are kept.
    """
    data = pd.read_csv(progress, usecols=["env_steps", "return", "evaluation"])
    stride = max(1, math.ceil(len(data) / _POINTS))
    last = data["evaluation"].notna() | (data.index % stride == stride - 1)
    stretch = last.cumsum().shift(fill_value=0)
    kept = data.groupby(stretch).agg({"env_steps": "last", "return": "mean", "evaluation": "last"})
    return kept.round(2)


def keep_curve(progress: Path, run: Mapping[str, Any], table: Path) -> None:
    """Append a run's learning curve to a CSV; `run` has the columns that say which run it is."""
    for row in curve(progress).astype(object).to_dict("records"):
        blank = {str(name): "" if pd.isna(value) else value for name, value in row.items()}
        tables.append_row(table, {**run, **blank}, once=True)


def plot_run(progress: Path, picture: Path, title: str, levels: Mapping[str, float]) -> None:
    """Draw the returns in a progress.csv over environment steps, with named horizontal levels."""
    data = pd.read_csv(progress)
    evaluated = "evaluation" in data
    steps = data["env_steps"]
    figure = Figure(figsize=(6, 3.8), layout="constrained")
    axes = figure.subplots()
    axes.plot(steps, data["return"], alpha=0.25 if evaluated else 1, label="training episodes")
    if evaluated:
        points = data.dropna(subset=["evaluation"])
        label = "evaluation, deterministic"
        axes.plot(points["env_steps"], points["evaluation"], "o-", label=label)
    for (name, level), style in zip(levels.items(), ("k--", "k:", "k-."), strict=False):
        axes.plot(steps.iloc[[0, -1]], [level, level], style, lw=1, label=name)
    axes.set(xlabel="environment steps", ylabel="return", title=title)
    axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    figure.savefig(picture, dpi=120)


_NETWORKS = ("model", "discriminator", "policy", "value")
_PANELS = {  # title -> (columns, logarithmic scale)
    "return": (("return", "evaluation"), False),
    "episode length": (("length",), False),
    "discriminator: accuracy": (("discriminator_accuracy",), False),
    "losses": (("discriminator_loss", "value_loss", "end_loss", "held_out_loss"), True),
    "forward model: error": (("model_error",), True),
    "forward model: error on evaluation episodes": (
        ("open_loop_1", "open_loop_5", "open_loop_T"),
        True,
    ),
    "discriminator: logits": (("logit_agent", "logit_expert"), False),
    "costs": (("policy_cost", "value", "dead_cost", "surrogate_reward"), False),
    "imagined survival over the horizon": (("alive",), False),
    "gradient norms": (
        (*(f"{name}_gradient" for name in _NETWORKS), "gradient_norm"),
        True,
    ),
    "weight norms": (
        tuple(f"{name}_weights" for name in _NETWORKS),
        False,
    ),
    "natural step": (("kl", "improvement", "step_fraction"), False),
    "entropy": (("entropy",), False),
}


def diagnose(folder: Path, picture: Path) -> list[str]:
    """Draw everything that a run's progress.csv holds, a panel a subject.

    Returns:
        The titles of the panels.

    Raises:
        BadInput: there is no progress.csv, or nothing in it.
    """
    data = paper.read(folder / "progress.csv", [])
    shown = {t: [c for c in names if c in data] for t, (names, _) in _PANELS.items()}
    shown = {title: names for title, names in shown.items() if names and len(data)}
    place = next((name for name in ("env_steps", "epoch") if name in data), None)
    if not shown or not place:
        raise BadInput(f"{folder / 'progress.csv'}: found no row of a run")
    lines = math.ceil(len(shown) / 3)
    figure = Figure(figsize=(10.5, 2.4 * lines + 0.4), layout="constrained")
    grid = figure.subplots(lines, 3, squeeze=False)
    for axes in grid.flat[len(shown) :]:
        axes.axis("off")
    width = max(1, len(data) // 100)  # a running mean; what is drawn faint is raw
    for (title, names), axes in zip(shown.items(), grid.flat, strict=False):
        for name in names:
            rows = data[[place, name]].dropna()
            if len(rows) < len(data) / 2:
                axes.plot(rows[place], rows[name], "o", ms=3, label=name)
                continue
            (line,) = axes.plot(rows[place], rows[name], alpha=0.2, lw=0.8)
            smooth = rows[name].rolling(width, min_periods=1).mean()
            axes.plot(rows[place], smooth, color=line.get_color(), label=name)
        axes.set_title(title, fontsize=9)
        axes.tick_params(labelsize=7)
        axes.set_yscale("log" if _PANELS[title][1] else "linear")
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.legend(fontsize=6, frameon=False)
    figure.supxlabel(place.replace("env_steps", "environment steps"), fontsize=9)
    figure.savefig(picture, dpi=120)
    return list(shown)


def check_picture(path: Path) -> Path:
    """Return the path of a picture to write.

    Raises:
        BadInput: its name does not end as a kind of picture's.
    """
    if path.suffix[1:] not in (kinds := sorted(Figure().canvas.get_supported_filetypes())):
        raise BadInput(f"{path}: found {path.suffix or 'no suffix'}, expected .{', .'.join(kinds)}")
    return path


def _of(rows: pd.DataFrame, line: tuple[str, str]) -> pd.DataFrame:
    return rows[(rows["algorithm"] == line[0]) & (rows["variant"] == line[1])]


def _results(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the experts as sampled, by task, the deterministic final rows, and the evaluations."""
    run = ("task", "algorithm", "variant", "seed", "env_steps")
    levels = ("task", "mode", "random_return_mean", "return_mean")
    columns = levels, (*run, "mode", "normalised"), (*run, "evaluation")
    names = "experts.csv", "runs.csv", "curves.csv"
    experts, runs, curves = (paper.read(folder / n, c) for n, c in zip(names, columns, strict=True))
    sampled = experts[experts["mode"] == "stochastic"].set_index("task")
    return sampled, runs[runs["mode"] == "deterministic"], curves.dropna(subset=["evaluation"])


def _paired(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep what both forward models have of a task: the same seeds."""
    key = ["task", "seed"]
    for line in MODELS:
        rows = rows.merge(_of(rows, line)[key].drop_duplicates(), on=key)
    return rows


def compared(folder: Path) -> list[str]:
    """Return the tasks that have curves of both forward models, of the same seed."""
    _, _, curves = _results(folder)
    found = set(_paired(curves)["task"])
    return [task for task in TASKS if task in found]


def plot_tasks(folder: Path, picture: Path, lines: Lines = ALGORITHMS) -> list[str]:
    """Draw every task of a results folder: normalised score over environment steps.

    Reads experts.csv, runs.csv and curves.csv there. A line is the mean of the seeds' evaluations
    (deterministic) on the way, a band their range, a cross the final policies' mean; cloning takes
    no steps and is a level. Of Figure 5's, only the seeds that both forward models have count.

    Returns:
        The tasks drawn.

    Raises:
        BadInput: one of the files is missing, or there is no curve to draw.
    """
    sampled, runs, curves = _results(folder)
    if lines is MODELS:
        runs, curves = _paired(runs), _paired(curves)
    drawn = pd.concat([_of(curves, line) for line in lines])
    tasks = [task for task in TASKS if task in sampled.index and (drawn["task"] == task).any()]
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
    top = 1.2
    for task, axes in zip(tasks, grid.flat, strict=False):
        low, high = sampled.loc[task, ["random_return_mean", "return_mean"]].to_numpy(float)
        scores = drawn[drawn["task"] == task].copy()
        scores["score"] = (scores["evaluation"] - low) / (high - low)
        top = max(top, scores["score"].max() + 0.1)  # the axes share it
        _draw_task(axes, scores, runs[runs["task"] == task], lines)
        axes.set(xscale="log", title=TASKS[task].env_id, ylim=(-0.15, top))
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
    """Return Figure 5 in numbers: a row a task and forward model, over the seeds that both have.

    `evaluation_mean` is the mean of all evaluations on the way, normalised: how soon it learns.
    """
    sampled, runs, curves = _results(folder)
    runs, curves = _paired(runs), _paired(curves)
    rows = []
    for task in tasks:
        low, high = sampled.loc[task, ["random_return_mean", "return_mean"]].to_numpy(float)
        for line, (name, _) in MODELS.items():
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
