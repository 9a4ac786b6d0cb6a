"""What differs between algorithms over the cells of Table 1, and how sure that is.

`aggregates` defines the statistics. Algorithms are compared on the cells that all of them have.
"""

import functools
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mgail_tf.reporting.aggregates import (
    interquartile_mean,
    mean,
    optimality_gap,
    probability_of_improvement,
    profile,
    signed_rank,
    with_interval,
)
from mgail_tf.reporting.table1 import CELL, cells_here
from mgail_tf.reporting.tables import read

COLUMNS = (
    *("statistic", "mode", "first", "second", "cells", "runs", "value", "low", "high"),
    *("pairs", "ties", "p_two_sided", "p_first_greater", "effect_size"),
)
NAMES = {"bc": "BC", "gail": "GAIL", "mgail": "MGAIL"}
_PAIRS = (("mgail", "gail"), ("mgail", "bc"))
_COLOURS = {"bc": "tab:green", "gail": "tab:orange", "mgail": "tab:blue"}

Found = Mapping[str, Mapping[tuple, pd.Series]]  # algorithm -> cell -> normalised score by seed


def scores(folder: Path, mode: str) -> dict[str, dict[tuple, pd.Series]]:
    """Return normalised scores by seed, of every algorithm's cells that were run.

    Raises:
        BadInput: see `table1.cells_here`.
    """
    runs = cells_here(folder, mode)
    found: dict[str, dict[tuple, pd.Series]] = {}
    for (task, count, algorithm), rows in runs.groupby(CELL, sort=False):
        series = rows.set_index("seed")["normalised"].sort_index()
        found.setdefault(str(algorithm), {})[task, count] = series
    return found


def statistics(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of statistics.csv.

    Raises:
        BadInput: runs.csv or paper_table1.csv is missing or no table.
    """
    rows = [
        row
        for mode in ("deterministic", "stochastic")
        for row in _of_mode(scores(folder, mode), mode)
    ]
    rows += _as_printed(folder)
    return [{name: _rounded(row.get(name, "")) for name in COLUMNS} for row in rows]


def _in_all(found: Found) -> dict[str, list[np.ndarray]]:
    """Return the scores of each algorithm in the cells that all of them have, in one order."""
    names = [name for name in NAMES if name in found]
    if not names:
        return {}
    cells = [cell for cell in found[names[0]] if all(cell in found[name] for name in names)]
    return {name: [found[name][cell].to_numpy() for cell in cells] for name in names if cells}


def _of_mode(found: Found, mode: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of one mode."""
    for algorithm, cells in _in_all(found).items():
        counts = {"mode": mode, "first": algorithm, "cells": len(cells)}
        counts |= {"runs": sum(map(len, cells))}
        for statistic in (interquartile_mean, mean, optimality_gap):
            value, low, high = with_interval(statistic, cells)
            yield counts | {"statistic": statistic.__name__, "value": value} | _ends(low, high)
    for first, second in _PAIRS:
        if first in found and second in found:
            yield from _of_pair(found[first], found[second], mode, first, second)


def _of_pair(
    ours: Mapping[tuple, pd.Series],
    theirs: Mapping[tuple, pd.Series],
    mode: str,
    first: str,
    second: str,
) -> Iterator[dict[str, Any]]:
    """Yield the rows that compare two algorithms, on the cells that both have."""
    both = [cell for cell in ours if cell in theirs]
    if not both:
        return
    named = {"mode": mode, "first": first, "second": second, "cells": len(both)}
    cells = [kept[cell].to_numpy() for kept in (ours, theirs) for cell in both]
    value, low, high = with_interval(probability_of_improvement, cells)
    yield named | {
        "statistic": "probability_of_improvement",
        "runs": sum(map(len, cells)),
        "value": value,
        **_ends(low, high),
    }
    means = pd.DataFrame([[kept[cell].mean() for kept in (ours, theirs)] for cell in both])
    of_tasks = means.groupby([task for task, _ in both], sort=False).mean()
    of_seeds = pd.concat([pd.concat([ours[c], theirs[c]], axis=1, join="inner") for c in both])
    tested = {"tasks": of_tasks, "cells": means, "seeds": of_seeds}
    for over, pairs in tested.items():
        if len(pairs):  # there may be no seed that both have
            test = {"statistic": f"signed_rank_of_{over}", "runs": sum(map(len, cells))}
            yield named | test | signed_rank(*pairs.to_numpy().T)


def _as_printed(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the paper's own test: of the returns that its Table 1 prints, MGAIL against GAIL."""
    table = read(folder / "paper_table1.csv", ("task", "trajectories", "algorithm", "return_mean"))
    wide = table.pivot(index=["task", "trajectories"], columns="algorithm", values="return_mean")
    for first, second in _PAIRS:
        test = signed_rank(wide[first].to_numpy(), wide[second].to_numpy())
        named = {"statistic": "signed_rank_of_cells", "mode": "as printed", "cells": len(wide)}
        yield named | {"first": first, "second": second} | test


def _ends(low: float, high: float) -> dict[str, Any]:
    return {} if math.isnan(low) else {"low": low, "high": high}


def _rounded(value: Any) -> Any:
    return f"{value:.4g}" if isinstance(value, float) else value


def plot(folder: Path, picture: Path) -> list[str]:
    """Draw performance profiles, and the probabilities that MGAIL is better.

    The first are of runs.csv, the second of statistics.csv.

    Returns:
        The algorithms that are drawn.

    Raises:
        BadInput: one of them is missing or no table.
    """
    table = read(folder / "statistics.csv", COLUMNS)
    table = table[table["statistic"] == "probability_of_improvement"]
    found = _in_all(scores(folder, "deterministic"))
    figure = Figure(figsize=(8.2, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    levels = np.linspace(-0.05, 1.25, 131)
    for name, cells in found.items():
        of_levels = functools.partial(profile, levels=levels)
        share, low, high = with_interval(of_levels, cells)
        label = f"{NAMES[name]} ({sum(map(len, cells))} runs, {len(cells)} cells)"
        left.plot(levels, share, color=_COLOURS[name], label=label)
        left.fill_between(levels, low, high, color=_COLOURS[name], alpha=0.2, lw=0)
    left.axvline(1.0, color="black", lw=0.8, ls="--")
    left.set(xlabel="normalised score", ylabel="share of runs above it", ylim=(0, 1.03))
    left.set_title("performance profiles", fontsize=10)
    left.legend(fontsize=8, frameon=False, loc="lower left")
    rows = table.to_dict("records")
    for place, row in enumerate(rows):
        value = row["value"]
        ends = [value if math.isnan(row[name]) else row[name] for name in ("low", "high")]
        right.errorbar(
            value, place, xerr=[[value - ends[0]], [ends[1] - value]], fmt="o", capsize=3,
            color=_COLOURS[row["first"]],
        )  # fmt: skip
    modes = {"deterministic": "deterministic", "stochastic": "as sampled"}
    names = [f"{NAMES[r['first']]} > {NAMES[r['second']]}\n{modes[r['mode']]}" for r in rows]
    right.set_yticks(range(len(rows)), names, fontsize=8)
    right.set(xlim=(0, 1.03), ylim=(len(rows) - 0.5, -0.5), xlabel="probability")
    right.axvline(0.5, color="black", lw=0.8, ls="--")
    right.set_title("probability of improvement", fontsize=10)
    figure.savefig(picture, dpi=130)
    return [*found]
