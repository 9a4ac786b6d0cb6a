"""Standardisation of states, fixed or from running moments."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mgail_tf.checkpoint import Resumable

_ROUNDING = 1e-6  # a spread of less than this share of the magnitude is that of float32


class Normaliser(NamedTuple):
    """Map states to standard deviations from the mean, clipped to +-clip of them.

    Only s of a state's S components are seen.
    """

    mean: np.ndarray  # [s], s <= S
    std: np.ndarray  # [s]
    clip: float
    components: np.ndarray | None = None  # [s] which are seen; None: all

    def __call__(self, states: np.ndarray) -> np.ndarray:
        """Return standardised, clipped states [..., s] of states [..., S] as float32."""
        seen = states if self.components is None else states[..., self.components]
        scaled = (seen - self.mean) / self.std
        return np.minimum(np.maximum(scaled, -self.clip), self.clip).astype(np.float32)


def spread(states: np.ndarray) -> np.ndarray:
    """Return the standard deviations [S] of states [N, S], 0 where nothing but rounding varies."""
    states = np.asarray(states, np.float64)
    std = states.std(0)
    return np.where(std > _ROUNDING * np.abs(states).max(0), std, 0.0)


def fit(
    states: np.ndarray,
    floor: ArrayLike | None,
    clip: float,
    components: np.ndarray | None = None,
) -> Normaliser:
    """Return the normaliser of states [N, S].

    Args:
        floor: smallest standard deviation, one number or one a component [S]. Near-constant
            components would otherwise be blown up by the first state that differs. None: there is
            none, and constant components are not seen unless all are.
        clip: bound on the result, in standard deviations.
        components: indices [s] of those that are seen; None: all.
    """
    states = np.asarray(states, np.float64)
    mean, std = states.mean(0), states.std(0)
    if floor is not None:
        std = np.maximum(std, floor)
    else:
        varies = spread(states) > 0.0
        std = np.where(varies, std, 1.0)
        if components is None and varies.any() and not varies.all():
            components = np.flatnonzero(varies)
    if components is None:
        return Normaliser(mean, std, clip)
    return Normaliser(mean[components], std[components], clip, components)


class RunningMoments(Resumable):
    """Mean and variance of all rows seen (Chan et al. 1979, parallel update)."""

    _plain = ("count", "mean", "squares")

    def __init__(self, size: int):
        self.count = 0.0
        self.mean = np.zeros(size)
        self.squares = np.zeros(size)  # sum of squared deviations

    def add(self, rows: np.ndarray) -> None:
        """Take in rows [N, size]."""
        rows = np.asarray(rows, np.float64)
        count = self.count + len(rows)
        delta = rows.mean(0) - self.mean
        more = rows.var(0) * len(rows) + delta**2 * self.count * len(rows) / count
        self.squares = self.squares + more  # a new array: a saved state holds the old one
        self.mean = self.mean + delta * len(rows) / count
        self.count = count

    def normaliser(self, clip: float) -> Normaliser:
        """Return the normaliser of everything seen so far; it only centres what is constant."""
        std = np.sqrt(self.squares / max(self.count, 1.0))
        varies = std > _ROUNDING * np.abs(self.mean)
        return Normaliser(self.mean.copy(), np.where(varies, std, 1.0), clip)
