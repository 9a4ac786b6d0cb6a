"""Which components of a state a linear model foresees, and which it has from the others."""

import numpy as np

from mgail_tf.data.normaliser import spread

FORESEEN = 0.25  # least share of a component's variance that a linear model must foresee
REDUNDANT = 0.98  # share that a linear model has from other components of the same state
_RIDGE, _FOLDS, _CLIP = 10.0, 4, 5.0


def foreseen(states: np.ndarray, actions: np.ndarray, next_states: np.ndarray) -> np.ndarray:
    """Return the share of variance [S] of next states that a linear model foresees (R squared).

    By ridge regression on standardised states and actions, cross-validated. A component that never
    varies counts as not foreseen.
    """
    result = np.zeros(states.shape[1])
    varying = np.flatnonzero(spread(states))
    if not len(varying) or len(states) < _FOLDS:
        return result
    before, after = (np.asarray(x, np.float64)[:, varying] for x in (states, next_states))
    mean, std = before.mean(0), before.std(0)
    x, y = (np.clip((part - mean) / std, -_CLIP, _CLIP) for part in (before, after))
    x = np.concatenate([x, actions, np.ones((len(x), 1))], 1)
    order = np.random.default_rng(0).permutation(len(x))
    error = np.zeros(len(varying))
    for fold in np.array_split(order, _FOLDS):
        rest = np.setdiff1d(order, fold)
        gram = x[rest].T @ x[rest] + _RIDGE * np.eye(x.shape[1])
        weights = np.linalg.solve(gram, x[rest].T @ y[rest])
        error += np.square(x[fold] @ weights - y[fold]).sum(0)
    variance = np.maximum(y.var(0), np.finfo(float).tiny)
    result[varying] = 1.0 - error / len(x) / variance
    return result


def redundant(states: np.ndarray) -> np.ndarray:
    """Return which components [S] of states [N, S] a linear model has from the ones before them.

    One after the other: a component whose variance a ridge regression on those that are kept so far
    explains to a share of `REDUNDANT` is redundant, such as a body's velocity beside those of the
    joints that it hangs on. A component that never varies is not.
    """
    varying = np.flatnonzero(spread(states))
    x = np.asarray(states, np.float64)[:, varying]
    x = np.clip((x - x.mean(0)) / x.std(0), -_CLIP, _CLIP)
    products = x.T @ x / len(x)
    result = np.zeros(states.shape[1], bool)
    kept: list[int] = []
    for j in range(len(varying)):
        freedom = 1.0 - (len(kept) + 1) / len(x)  # what so many weights leave of noise
        if kept and freedom > 0.0:
            own = products[np.ix_(kept, kept)] + _RIDGE / len(x) * np.eye(len(kept))
            explained = products[kept, j] @ np.linalg.solve(own, products[kept, j])
            left = (1.0 - explained / products[j, j]) / freedom
            if left < 1.0 - REDUNDANT:
                result[varying[j]] = True
                continue
        kept.append(j)
    return result
