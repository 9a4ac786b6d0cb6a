"""Pictures of one run, of several runs side by side, and of demonstrations."""

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import TABLEAU_COLORS
from matplotlib.figure import Figure  # not pyplot: a caller's backend is left alone
from matplotlib.ticker import EngFormatter, MaxNLocator, NullFormatter

from mgail_tf.data.demonstrations import Demonstrations
from mgail_tf.data.summary import Summary
from mgail_tf.errors import BadInput
from mgail_tf.files import written_whole
from mgail_tf.reporting.run_folders import RunFolder
from mgail_tf.reporting.tables import read
from mgail_tf.types import Spec


def plot_run(
    progress: Path,
    picture: Path,
    title: str,
    levels: Mapping[str, float],
    unit: str = "env_steps",
) -> None:
    """Draw the returns in a progress.csv over its `unit`, with named horizontal levels."""
    data = pd.read_csv(progress)
    evaluated = "evaluation" in data
    steps = data[unit]
    figure = Figure(figsize=(6, 3.8), layout="constrained")
    axes = figure.subplots()
    axes.plot(steps, data["return"], alpha=0.25 if evaluated else 1, label="training episodes")
    if evaluated:
        points = data.dropna(subset=["evaluation"])
        label = "evaluation on the way (other seeds than the final score's)"
        axes.plot(points[unit], points["evaluation"], "o-", label=label)
    for (name, level), style in zip(levels.items(), ("k--", "k:", "k-."), strict=False):
        axes.plot(steps.iloc[[0, -1]], [level, level], style, lw=1, label=name)
    name = unit.replace("env_", "environment ").replace("_", " ")
    axes.set(xlabel=name, ylabel="return", title=title)
    axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    figure.savefig(picture, dpi=120)


_RETURNS = {"evaluation": "return of evaluation episodes", "return": "return of training episodes"}
_NETWORKS = ("model", "discriminator", "policy", "value")
_PANELS = {  # title -> (columns, logarithmic scale)
    "return": (("return", "evaluation"), False),
    "episode length": (("length",), False),
    "discriminator: accuracy": (("discriminator_accuracy",), False),
    "losses": (("discriminator_loss", "value_loss", "termination_loss"), True),
    "negative log-likelihood of held-out pairs": (("held_out_loss", "best_held_out_loss"), False),
    "forward model: error": (("model_error",), True),
    "forward model: error on evaluation episodes": (
        ("open_loop_1", "open_loop_5", "open_loop_T"),
        True,
    ),
    "discriminator: logits": (("logit_agent", "logit_imagined", "logit_expert"), False),
    "discriminator: share of actions in its slope": (("action_share",), False),
    "costs and rewards": (
        ("policy_cost", "value_target", "termination_cost", "surrogate_reward"),
        False,
    ),
    "imagined continuation over the horizon": (("continuation",), False),
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
    data = read(folder / "progress.csv", [])
    shown = {t: [c for c in names if c in data] for t, (names, _) in _PANELS.items()}
    shown = {title: names for title, names in shown.items() if names and len(data)}
    place = next((name for name in ("env_steps", "epoch") if name in data), None)
    if not shown or not place:
        raise BadInput(f"{folder / 'progress.csv'}: found no row of a run")
    columns = min(3, len(shown))
    lines = math.ceil(len(shown) / columns)
    figure = Figure(figsize=(max(5.0, 3.5 * columns), 2.4 * lines + 0.4), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False)
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
        axes.tick_params(which="both", labelsize=7)
        axes.set_yscale("log" if _PANELS[title][1] and _positive(data[names]) else "linear")
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.margins(y=0.3)  # room for the legend
        axes.legend(fontsize=6, frameon=False, loc="upper right", ncols=2)
    figure.supxlabel(place.replace("env_steps", "environment steps"), fontsize=9)
    figure.savefig(picture, dpi=120)
    return list(shown)


def plot_demonstrations(
    demonstrations: Demonstrations, summary: Summary, picture: Path, spec: Spec | None = None
) -> None:
    """Draw the lengths and returns of episodes, how actions are spread, and the ranges of states.

    Args:
        summary: of the demonstrations.
        spec: of the environment, whose bounds the actions are drawn in.
    """
    figure = Figure(figsize=(10.5, 6.4), layout="constrained")
    first = ["lengths", "returns"] if summary.returns is not None else ["lengths", "lengths"]
    panels = figure.subplot_mosaic([[*first, "actions"], ["states"] * 3])
    episodes = np.arange(summary.episodes)
    for name, values in (("lengths", summary.lengths), ("returns", summary.returns)):
        if values is None:
            continue
        axes, ended = panels[name], summary.terminated
        axes.plot(episodes[~ended], values[~ended], "o", ms=4, color="C0", label="cut off")
        axes.plot(episodes[ended], values[ended], "x", ms=5, color="C3", label="terminated")
        axes.set(xlabel="episode", title="steps of each episode" if name == "lengths" else "return")
        axes.margins(y=0.15)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    panels["lengths"].set_ylim(0, 1.15 * summary.lengths.max())
    if 0 < summary.terminated.sum() < summary.episodes:
        panels["lengths"].legend(fontsize=8, frameon=False, ncols=2)
    else:
        how = "terminated" if summary.terminated.any() else "cut off"
        panels["lengths"].set_title(f"steps of each episode (all {how})")
    _draw_actions(panels["actions"], demonstrations.actions, spec)
    _draw_states(panels["states"], summary)
    for axes in panels.values():
        axes.title.set_fontsize(10)
        axes.tick_params(labelsize=8)
    env = summary.env_id or "an environment that is not named"
    steps = f"{summary.episodes} episodes, {summary.steps} steps, {summary.pairs} pairs learnt from"
    figure.suptitle(f"Demonstrations of {env}: {steps}", fontsize=11)
    figure.savefig(picture, dpi=120)


def _draw_actions(axes: Axes, actions: np.ndarray, spec: Spec | None) -> None:
    """Draw how often each action is taken, or each value of a component."""
    if actions.ndim == 1:
        numbers, counts = np.unique(actions, return_counts=True)
        axes.bar(numbers, 100 * counts / len(actions), color="C0")
        axes.set(xlabel="action", title="actions taken, %")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        return
    low, high = actions.min(0), actions.max(0)
    if spec is not None:
        low, high = spec.action_low, spec.action_high
    width = np.where(high > low, high - low, 1.0)
    scaled = np.clip((actions - low) / width, 0.0, 1.0)
    size, bins = actions.shape[1], 24
    shares = np.stack([np.histogram(column, bins, (0, 1))[0] for column in scaled.T])
    shares = 100 * shares / len(actions)
    within = "the demonstrations' range" if spec is None else "the bounds"
    if size == 1:
        axes.bar((np.arange(bins) + 0.5) / bins, shares[0], 1 / bins, color="C0")
        axes.set(title="actions, % of steps", xlim=(0, 1))
        ends = [f"{low[0]:.3g}", f"{high[0]:.3g}"]
    else:
        # the square root, so that what is rare is seen beside what is often
        extent = (0, 1, size - 0.5, -0.5)
        axes.imshow(np.sqrt(shares), aspect="auto", cmap="Blues", extent=extent, vmin=0)
        axes.set(title="actions: darker is more often", ylabel="component")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        ends = ["least", "largest"]
    axes.set_xticks([0, 1], ends)
    axes.set_xlabel(f"value, within {within}")


def _draw_states(axes: Axes, summary: Summary) -> None:
    """Draw the range of every state component, and a standard deviation around its mean."""
    low, high, mean, std = summary.states
    components = np.arange(summary.state_size)
    marks = ["C0"] * summary.state_size
    for indices, color in ((summary.constant, "0.6"), (summary.noisy, "C1")):
        for i in indices:
            marks[i] = color
    means = ["0.6" if color == "0.6" else "k" for color in marks]
    thick = max(1.0, min(9.0, 300 / summary.state_size))
    axes.vlines(components, low, high, marks, lw=max(0.6, thick / 6))
    axes.vlines(components, mean - std, mean + std, marks, lw=thick, alpha=0.45)
    axes.scatter(components, mean, s=4 * thick, c=means, marker="_", zorder=3)
    largest = np.abs(summary.states).max()
    if largest > 20 * np.median(np.maximum(np.abs(low), np.abs(high))):
        axes.set_yscale("symlog", linthresh=1.0)
    names = [("range; thick: one standard deviation around the mean", "C0")]
    names += [("constant", "0.6")] if len(summary.constant) else []
    names += [("like noise: not foreseen by a linear model", "C1")] if len(summary.noisy) else []
    for name, color in names:
        axes.plot([], [], color=color, lw=4, label=name)
    axes.legend(fontsize=8, frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    axes.set(xlabel="state component", xlim=(-0.7, summary.state_size - 0.3))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=20))
    axes.grid(axis="y", alpha=0.3)


def _positive(columns: pd.DataFrame) -> bool:
    """Return whether a logarithmic axis shows all values; zeros among others may be missing."""
    values = columns.to_numpy(float)
    return bool((values > 0).any() and not (values < 0).any())


def plot_runs(
    runs: Sequence[RunFolder], names: Sequence[str], picture: Path, metric: str = "evaluation"
) -> None:
    """Draw a column of several runs' progress.csv over environment steps, a panel an environment.

    Instead of `evaluation` the training episodes' `return` is drawn of a run that has none. With
    either of them the final policies' scores are crosses (levels, of cloning, which takes no
    steps), and the scores of the experts and of random actions are levels.

    Args:
        names: of the runs, see `run_folders.labels`.

    Raises:
        BadInput: no run has such a column.
    """
    colours = dict(zip(dict.fromkeys(names), itertools.cycle(TABLEAU_COLORS), strict=False))
    panels: dict[str, list[_Curve]] = {}
    for run, name in zip(runs, names, strict=True):
        values = _values(run, metric)
        label = name if run.final else f"{name} (unfinished)"
        if values is not None and values.name != metric:
            label += ", training episodes"
        final = run.score() if metric in _RETURNS else None
        curve = _Curve(run, label, colours[name], values, final)
        if curve.values is not None or curve.final is not None:
            panels.setdefault(run.env_id, []).append(curve)
    if not panels:
        known = list(dict.fromkeys(name for run in runs for name in run.progress.columns))
        raise BadInput(f"metric: found no values of {metric!r}, expected one of {known}")
    columns = 2 if len(panels) == 4 else min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    height = 3.3 + 0.17 * max(len(curves) for curves in panels.values())  # room for the legends
    figure = Figure(figsize=(4.6 * columns + 0.2, height * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.axis("off")
    for (env_id, curves), axes in zip(panels.items(), grid.flat, strict=False):
        axes.set(title=env_id, xlabel="environment steps", ylabel=_RETURNS.get(metric, metric))
        _draw_curves(axes, curves)
        if metric in _RETURNS:
            _draw_levels(axes, [curve.run for curve in curves])
        below = (0.5, -0.18)
        axes.legend(loc="upper center", bbox_to_anchor=below, frameon=False, fontsize=8)
    with written_whole(picture) as partial:
        figure.savefig(partial, dpi=150)


class _Curve(NamedTuple):
    """What is drawn of a run."""

    run: RunFolder
    label: str
    colour: str
    values: pd.Series | None  # by environment steps
    final: float | None  # score of the final policy


def _values(run: RunFolder, metric: str) -> pd.Series | None:
    """Return a column of progress.csv by environment steps; None if it has no values."""
    for name in (metric, "return") if metric == "evaluation" else (metric,):
        if name in run.progress and "env_steps" in run.progress:
            values = run.progress.set_index("env_steps")[name].dropna()
            if len(values):
                return values
    return None


def _draw_curves(axes: Axes, curves: Sequence[_Curve]) -> None:
    """Draw the runs of one environment, and the scores of their final policies."""
    for _, label, colour, values, _ in curves:
        if values is not None:
            style = "o-" if values.name == "evaluation" else "-"
            axes.plot(values.index, values, style, ms=3.5, lw=1.3, color=colour, label=label)
    for _, label, colour, values, final in curves:
        if values is None and final is not None:
            axes.axhline(final, color=colour, lw=1.6, ls=(0, (5, 1)), label=label)
    crosses = [(c.run.place, c.final, c.colour) for c in curves if c.values is not None]
    for steps, final, colour in crosses:
        if final is not None:
            axes.plot(steps, final, "x", ms=8, mew=2, color=colour)
    if any(final is not None for _, final, _ in crosses):
        axes.plot([], [], "x", ms=8, mew=2, color="gray", label="final policy")
    ends = [curve.run.place for curve in curves if curve.values is not None]
    if not ends:
        axes.set(xticks=[], xlabel="")
    elif max(ends) > 20 * min(ends) > 0:  # GAIL's steps beside MGAIL's
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    if ends:
        axes.xaxis.set_major_formatter(EngFormatter(sep=" "))


def _draw_levels(axes: Axes, runs: Sequence[RunFolder]) -> None:
    """Draw what the experts score, by the runs' final.json, and random actions."""
    for key, name, style in (("expert_return", "expert", "--"), ("random_return", "random", ":")):
        finals = [run.final for run in runs if run.final and run.config["algorithm"] != "trpo"]
        found = {round(final[key], 1) for final in finals if final.get(key) is not None}
        for level in sorted(found):
            axes.axhline(level, color="black", lw=1, ls=style, label=f"{name}: {level:,.1f}")


def plot_temperatures(rows: Sequence[Mapping[str, Any]], picture: Path, title: str) -> None:
    """Draw bias and deviation of gradient estimators over the Gumbel-softmax temperature.

    Args:
        rows: of `studies.temperature_comparison`.
    """
    figure = Figure(figsize=(7.0, 3.6), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True)
    data = pd.DataFrame(rows)
    names = {"straight_through": "straight-through argmax", "relaxed": "soft action"}
    for axes, column in zip(panels, ("bias", "deviation"), strict=True):
        for name, label in names.items():
            line = data[data["estimator"] == name].sort_values("temperature")
            axes.plot(line["temperature"], line[column], "o-", ms=4, label=label)
        level = data.loc[data["estimator"] == "score", column]
        axes.axhline(level.iloc[0], color="black", lw=1, ls="--", label="score function")
        axes.set(xscale="log", yscale="log", xlabel="temperature", title=column)
        axes.grid(alpha=0.3, which="both")
    panels[0].set_ylabel("share of the exact gradient's norm")
    figure.suptitle(title, fontsize=10)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    figure.savefig(picture, dpi=130)


def check_picture(path: Path) -> Path:
    """Return the path of a picture to write.

    Raises:
        BadInput: its name does not end as a kind of picture's.
    """
    if path.suffix[1:] not in (kinds := sorted(Figure().canvas.get_supported_filetypes())):
        raise BadInput(f"{path}: found {path.suffix or 'no suffix'}, expected .{', .'.join(kinds)}")
    return path
