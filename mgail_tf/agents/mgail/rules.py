"""What MGAIL's settings follow from where they are not given: demonstrations and first steps.

The first steps are those of random actions, with which a run fills its buffer (`prefill_steps`).
Every rule is scale-free: multiplying a component of the states changes nothing.
"""

from typing import NamedTuple

import numpy as np

from mgail_tf.data.normaliser import spread

FORESEEN = 0.25  # least share of a component's variance that a linear model must foresee
SMALLEST_SCALE = 0.1  # of the spread in the first steps, where pairs are not few
FEW_PAIRS = 4.0  # demonstrated pairs for each component of state and action
CLONING_WEIGHT = 1.5e-4, 0.03, 1.5  # for each pair; least; most
_RIDGE, _FOLDS, _CLIP = 10.0, 4, 5.0


class Strength(NamedTuple):
    """How freely a discriminator may tell pairs apart, see `discriminator_loss`."""

    learning_rate: float
    penalty: float
    slope: float


def are_few(samples: int, components: int) -> bool:
    """Return whether so many demonstrated samples are few for so many components."""
    return samples < FEW_PAIRS * components


def discriminator_strength(samples: int, components: int) -> Strength:
    """Return the strength for so many demonstrated samples of so many components.

    A discriminator memorises few samples, and then knows nothing but that the agent's are others.
    """
    if are_few(samples, components):
        return Strength(1e-4, 10.0, 0.3)
    return Strength(3e-4, 1.0, 1.0)


def cloning_weight(pairs: int) -> float:
    """Return the weight of the cloning loss: the more pairs, the less it can mislead."""
    each, least, most = CLONING_WEIGHT
    return min(max(each * pairs, least), most)


def seen_components(
    shown: np.ndarray, states: np.ndarray, actions: np.ndarray, next_states: np.ndarray
) -> np.ndarray:
    """Return the indices of the components that networks see.

    Left out is what demonstrations show as constant, and what a linear model does not foresee, such
    as contact forces: noise spoils the forward model, and tells the discriminator nothing.

    Args:
        shown: demonstrated states [M, S].
        states, actions, next_states: the first steps, [N, S], [N, A], [N, S].

    Returns:
        Indices [s] in rising order. If none would be left, those that vary; if none does, all.
    """
    varies = spread(shown) > 0.0
    seen = varies & (foreseen(states, actions, next_states) > FORESEEN)
    return np.flatnonzero(seen if seen.any() else varies if varies.any() else ~varies)


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


def smallest_scales(states: np.ndarray, few: bool) -> np.ndarray:
    """Return the smallest standard deviation [S] by which components are divided.

    What hardly varies in the demonstrations varies in the first steps, and must not blow up.

    Args:
        states: the first steps' [N, S].
        few: there are few pairs, whose spread is not the task's.
    """
    share = 1.0 if few else SMALLEST_SCALE
    return np.maximum(share * spread(states), np.finfo(np.float32).tiny)
