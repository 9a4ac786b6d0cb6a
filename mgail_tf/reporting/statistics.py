"""What differs between algorithms over all cells of Table 1, and how sure that is.

Interquartile mean, optimality gap, probability of improvement and performance profiles are those
of Agarwal et al. 2021 (Deep Reinforcement Learning at the Edge of the Statistical Precipice). Their
intervals are of a stratified bootstrap: within each cell, seeds are drawn again.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from mgail_tf.reporting.table1 import CELL, cells_here
from mgail_tf.reporting.tables import read

COLUMNS = (
    *("statistic", "mode", "first", "second", "cells", "runs", "value", "low", "high"),
    *("p_two_sided", "p_first_greater", "ties", "effect_size"),
)
RESAMPLES, SEED = 2000, 0
NAMES = {"bc": "BC", "gail": "GAIL", "mgail": "MGAIL"}
_PAIRS = (("mgail", "gail"), ("mgail", "bc"))
_COLOURS = {"bc": "tab:green", "gail": "tab:orange", "mgail": "tab:blue"}

Scores = Sequence[np.ndarray]  # normalised, an array of seeds a cell


def interquartile_mean(*cells: np.ndarray) -> Any:
    """Return the mean of the middle half of all runs; the last axis is that of the seeds."""
    return stats.trim_mean(np.concatenate(cells, -1), 0.25, -1)


def mean(*cells: np.ndarray) -> Any:
    """Return the mean of the cells' means: each cell weighs the same."""
    return np.mean([cell.mean(-1) for cell in cells], 0)


def optimality_gap(*cells: np.ndarray) -> Any:
    """Return by how much runs fall short of the expert, 1, on the mean; more counts as 1."""
    return np.mean(np.maximum(0.0, 1.0 - np.concatenate(cells, -1)), -1)


def probability_of_improvement(*cells: np.ndarray) -> Any:
    """Return the mean over cells of P(first > second); a tie counts half.

    Args:
        cells: of the first algorithm, then as many of the second in the same order.
    """
    half = len(cells) // 2
    chances = []
    for first, second in zip(cells[:half], cells[half:], strict=True):
        differences = first[..., :, None] - second[..., None, :]
        chances.append(((differences > 0) + 0.5 * (differences == 0)).mean((-2, -1)))
    return np.mean(chances, 0)


def with_interval(statistic: Any, cells: Scores) -> tuple[float, float, float]:
    """Return a statistic of cells, and its 95 % interval by stratified bootstrap.

    Where no cell has two seeds there is no interval: both ends are NaN.
    """
    value = float(statistic(*cells))
    if all(len(cell) < 2 for cell in cells):
        return value, math.nan, math.nan
    rng = np.random.default_rng(SEED)
    drawn = [cell[rng.integers(len(cell), size=(RESAMPLES, len(cell)))] for cell in cells]
    low, high = np.quantile(statistic(*drawn), [0.025, 0.975])
    return value, float(low), float(high)


def signed_rank(first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """Return the Wilcoxon signed-rank test of paired values.

    Pairs that are equal say nothing and are left out (Wilcoxon 1945); `ties` counts them. Of up to
    50 pairs without ties in rank the p-value is exact. `effect_size` is the rank-biserial
    correlation: the share of the rank sum in favour of the first less that of the second.
    """
    differences = first - second
    told = differences[differences != 0]
    found = {"value": float(np.median(differences)), "ties": len(differences) - len(told)}
    if not len(told):
        return found | {"p_two_sided": 1.0, "p_first_greater": 1.0, "effect_size": 0.0}
    ranks = stats.rankdata(np.abs(told))
    favour = ranks[told > 0].sum() / ranks.sum()
    p_values = (
        float(stats.wilcoxon(told, alternative=side).pvalue) for side in ("two-sided", "greater")
    )
    names = ("p_two_sided", "p_first_greater")
    return found | dict(zip(names, p_values, strict=True)) | {"effect_size": 2.0 * favour - 1.0}


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


def _of_mode(found: Mapping[str, Mapping[tuple, pd.Series]], mode: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of one mode."""
    for algorithm in (name for name in NAMES if name in found):
        cells = [series.to_numpy() for series in found[algorithm].values()]
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
    means = (np.array([kept[cell].mean() for cell in both]) for kept in (ours, theirs))
    test = signed_rank(*means)
    yield named | {"statistic": "signed_rank_of_cells", "runs": sum(map(len, cells))} | test
    pairs = pd.concat([pd.concat([ours[c], theirs[c]], axis=1, join="inner") for c in both])
    test = signed_rank(*pairs.to_numpy().T)
    yield named | {"statistic": "signed_rank_of_seeds", "runs": 2 * len(pairs)} | test


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


def profile(cells: Scores, levels: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the share of runs above each level, and the ends of its 95 % intervals."""

    def shares(*drawn: np.ndarray) -> np.ndarray:
        values = np.concatenate(drawn, -1)
        return (values[..., None] > levels).mean(-2)

    rng = np.random.default_rng(SEED)
    drawn = [cell[rng.integers(len(cell), size=(RESAMPLES // 4, len(cell)))] for cell in cells]
    low, high = np.quantile(shares(*drawn), [0.025, 0.975], axis=0)
    return shares(*cells), low, high


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
    found = scores(folder, "deterministic")
    figure = Figure(figsize=(8.2, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    levels = np.linspace(-0.05, 1.25, 131)
    algorithms = [name for name in NAMES if name in found]
    for name in algorithms:
        cells = [series.to_numpy() for series in found[name].values()]
        share, low, high = profile(cells, levels)
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
    names = [f"{NAMES[r['first']]} > {NAMES[r['second']]}\n{r['mode']}" for r in rows]
    right.set_yticks(range(len(rows)), names, fontsize=8)
    right.set(xlim=(0, 1.03), ylim=(len(rows) - 0.5, -0.5), xlabel="probability")
    right.axvline(0.5, color="black", lw=0.8, ls="--")
    right.set_title("probability of improvement", fontsize=10)
    figure.savefig(picture, dpi=130)
    return algorithms
