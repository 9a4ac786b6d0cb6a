"""Standardisation of states, fixed or from running moments."""

from typing import NamedTuple

import numpy as np

from mgail_tf.checkpoint import Resumable
from mgail_tf.errors import BadInput


class Normaliser(NamedTuple):
    """Map states to standard deviations from the mean, clipped to +-clip of them.

    Only the first s components of a state, as many as there are means, are seen.
    """

    mean: np.ndarray  # [s], s <= S
    std: np.ndarray  # [s]
    clip: float

    def __call__(self, states: np.ndarray) -> np.ndarray:
        """Return standardised, clipped states [..., s] of states [..., S] as float32."""
        scaled = (states[..., : len(self.mean)] - self.mean) / self.std
        return np.minimum(np.maximum(scaled, -self.clip), self.clip).astype(np.float32)


def fit(states: np.ndarray, floor: float, clip: float, components: int | None = None) -> Normaliser:
    """Return the normaliser of states [N, S].

    Args:
        floor: smallest standard deviation. Near-constant components (the contact forces of Ant
            and Humanoid) would otherwise be blown up by the first state that differs.
        clip: bound on the result, in standard deviations.
        components: only the first so many are seen; None: all.

    Raises:
        BadInput: a state has fewer components.
    """
    size = states.shape[-1]
    if components is not None and components > size:
        raise BadInput(f"observation_components: found {components}, expected at most {size}")
    seen = np.asarray(states[..., :components], np.float64)
    return Normaliser(seen.mean(0), np.maximum(seen.std(0), floor), clip)


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

    def normaliser(self, floor: float, clip: float) -> Normaliser:
        """Return the normaliser of everything seen so far."""
        std = np.sqrt(self.squares / max(self.count, 1.0))
        return Normaliser(self.mean.copy(), np.maximum(std, floor), clip)
