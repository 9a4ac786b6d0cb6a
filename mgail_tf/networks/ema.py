"""Averages over training: copies that follow a network, and the weights that are scored."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mgail_tf.checkpoint import Resumable


def soft_update(target: Any, network: Any, rate: float | None) -> None:
    """Move the weights of a copy towards a network's by `rate` of the way, in the graph.

    Args:
        rate: None moves them all the way.
    """
    for old, new in zip(target.weights, network.weights, strict=True):
        old.assign_add((1.0 if rate is None else rate) * (new - old))


class RunningAverage(Resumable):
    """Polynomial-decay averaging (Shamir & Zhang 2013): the window grows with the run."""

    _plain = ("weights", "_count")

    def __init__(self, weights: Sequence[np.ndarray], share: float | None):
        """Begin with weights that the first ones added replace.

        Args:
            share: of the run so far that the average reaches back; None keeps the last ones.
        """
        self.weights, self._share, self._count = list(weights), share or 0.0, 0

    def add(self, weights: Sequence[np.ndarray]) -> None:
        """Take in the present weights."""
        part = 1.0 / (self._share * self._count + 1.0)
        self._count += 1
        self.weights = [
            old + part * (new - old) for old, new in zip(self.weights, weights, strict=True)
        ]
