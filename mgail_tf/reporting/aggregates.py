"""Statistics of normalised scores over cells, each an array of seeds, and how sure they are.

Interquartile mean, optimality gap, probability of improvement and performance profiles are those
of Agarwal et al. 2021 (Deep Reinforcement Learning at the Edge of the Statistical Precipice), who
have as many seeds in each cell. Here cells may differ in that, and each cell counts the same: a run
weighs one over the number of seeds in its cell. Intervals are of a stratified bootstrap: within
each cell, seeds are drawn again. Of two or three seeds a cell they are too narrow.

The last axis of a cell is that of the seeds; others, of draws, are kept.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import stats

RESAMPLES, SEED = 2000, 0

Scores = Sequence[np.ndarray]


def _pooled(cells: Scores) -> tuple[np.ndarray, np.ndarray]:
    """Return all runs of the cells, and what each weighs: 1 together."""
    weights = [np.full(cell.shape[-1], 1.0 / len(cells) / cell.shape[-1]) for cell in cells]
    return np.concatenate(cells, -1), np.concatenate(weights)


def interquartile_mean(*cells: np.ndarray) -> Any:
    """Return the mean of the middle half of the runs by weight."""
    values, weights = _pooled(cells)
    order = values.argsort(-1)
    values, weights = np.take_along_axis(values, order, -1), weights[order]
    above = weights.cumsum(-1)
    kept = np.minimum(above, 0.75) - np.maximum(above - weights, 0.25)
    return 2.0 * (np.maximum(kept, 0.0) * values).sum(-1)


def mean(*cells: np.ndarray) -> Any:
    """Return the mean of the cells' means."""
    return np.mean([cell.mean(-1) for cell in cells], 0)


def optimality_gap(*cells: np.ndarray) -> Any:
    """Return by how much runs fall short of the expert, 1, on the mean; more counts as 1."""
    return mean(*(np.maximum(0.0, 1.0 - cell) for cell in cells))


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


def profile(*cells: np.ndarray, levels: np.ndarray) -> Any:
    """Return the share of the runs above each level, on a new last axis."""
    return mean(*(np.swapaxes(cell[..., None] > levels, -1, -2) for cell in cells))


def with_interval(statistic: Callable[..., Any], cells: Scores) -> tuple[Any, Any, Any]:
    """Return a statistic of cells, and the ends of its 95 % interval by stratified bootstrap.

    Where no cell has two seeds there is no interval: both ends are NaN.
    """
    value = statistic(*cells)
    if all(len(cell) < 2 for cell in cells):
        return value, math.nan * value, math.nan * value
    rng = np.random.default_rng(SEED)
    drawn = [cell[rng.integers(len(cell), size=(RESAMPLES, len(cell)))] for cell in cells]
    low, high = np.quantile(statistic(*drawn), [0.025, 0.975], axis=0)
    return value, low, high


def signed_rank(first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """Return the Wilcoxon signed-rank test of `pairs` values, an array of each kind.

    Pairs that are equal say nothing and are left out (Wilcoxon 1945); `ties` counts them. Of up to
    50 pairs without ties in rank the p-value is exact. `effect_size` is the rank-biserial
    correlation: the share of the rank sum in favour of the first less that of the second. Of
    differences six decimals count, so that equal ones have equal ranks.
    """
    differences = np.round(first - second, 6)
    told = differences[differences != 0]
    found = {"value": float(np.median(differences)), "pairs": len(differences)}
    found |= {"ties": len(differences) - len(told)}
    if not len(told):
        return found | {"p_two_sided": 1.0, "p_first_greater": 1.0, "effect_size": 0.0}
    ranks = stats.rankdata(np.abs(told))
    favour = ranks[told > 0].sum() / ranks.sum()
    p_values = (
        float(stats.wilcoxon(told, alternative=side).pvalue) for side in ("two-sided", "greater")
    )
    names = ("p_two_sided", "p_first_greater")
    return found | dict(zip(names, p_values, strict=True)) | {"effect_size": 2.0 * favour - 1.0}
