"""One run: the points that are kept of its learning curve, and pictures of it."""

import math
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure  # not pyplot: a caller's backend is left alone
from matplotlib.ticker import EngFormatter

from mgail_tf.errors import BadInput
from mgail_tf.reporting.tables import read


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
        label = "evaluation, deterministic"
        axes.plot(points[unit], points["evaluation"], "o-", label=label)
    for (name, level), style in zip(levels.items(), ("k--", "k:", "k-."), strict=False):
        axes.plot(steps.iloc[[0, -1]], [level, level], style, lw=1, label=name)
    name = unit.replace("env_", "environment ").replace("_", " ")
    axes.set(xlabel=name, ylabel="return", title=title)
    axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    figure.savefig(picture, dpi=120)


_NETWORKS = ("model", "discriminator", "policy", "value")
_PANELS = {  # title -> (columns, logarithmic scale)
    "return": (("return", "evaluation"), False),
    "episode length": (("length",), False),
    "discriminator: accuracy": (("discriminator_accuracy",), False),
    "losses": (("discriminator_loss", "value_loss", "termination_loss", "held_out_loss"), True),
    "forward model: error": (("model_error",), True),
    "forward model: error on evaluation episodes": (
        ("open_loop_1", "open_loop_5", "open_loop_T"),
        True,
    ),
    "discriminator: logits": (("logit_agent", "logit_imagined", "logit_expert"), False),
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
        axes.tick_params(which="both", labelsize=7)
        axes.set_yscale("log" if _PANELS[title][1] else "linear")
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.margins(y=0.3)  # room for the legend
        axes.legend(fontsize=6, frameon=False, loc="upper right", ncols=2)
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
