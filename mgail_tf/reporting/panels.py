"""Pictures of normalised scores with a panel for each task."""

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, NullFormatter

from mgail_tf.config.tasks import TASKS, env_id_of


def in_order(tasks: Iterable[str]) -> list[str]:
    """Return the paper's tasks in its order, then others by name."""
    order = list(TASKS)
    return sorted(tasks, key=lambda task: (order.index(task) if task in TASKS else 99, task))


def draw_tasks(
    tasks: Sequence[str],
    picture: Path,
    draw: Callable[[str, Axes], None],
    xscale: Literal["log", "linear"] = "log",
) -> None:
    """Draw a panel for each task, four in a row, with one axis of scores and one legend for all.

    Args:
        draw: draws a task into its panel, whose title is the environment and which has a line at
            the expert's score.
    """
    columns = min(4, len(tasks))
    height = math.ceil(len(tasks) / columns)
    figure = Figure(figsize=(3.0 * columns + 0.4, 2.5 * height + 0.7), layout="constrained")
    grid = figure.subplots(height, columns, squeeze=False, sharey=True)
    for axes in grid.flat[len(tasks) :]:
        axes.axis("off")
    handles: dict[str, Any] = {}
    for task, axes in zip(tasks, grid.flat, strict=False):
        axes.axhline(1.0, color="black", lw=0.8, ls="--", label="expert as sampled")
        axes.set(xscale=xscale, title=env_id_of(task))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_minor_formatter(NullFormatter())
        draw(task, axes)
        handles |= dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
    for axes in grid[:, 0]:
        axes.set_ylabel("normalised score")
    lines, names = [*handles.values()], [*handles]
    figure.legend(lines, names, loc="outside lower center", ncols=2 * columns, frameon=False)
    figure.savefig(picture, dpi=150)


def mark(axes: Axes, values: Iterable[float]) -> None:
    """Mark the values themselves on the axis to the right, and no others."""
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(sorted(set(values)))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
