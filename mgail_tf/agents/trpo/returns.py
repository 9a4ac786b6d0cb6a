"""Discounted sums and generalised advantage estimation, in NumPy."""

import numpy as np
from scipy.signal import lfilter


def discounted_sums(values: np.ndarray, discount: float) -> np.ndarray:
    """Return y_t = x_t + discount * y_{t+1} for x [N], float64 [N]."""
    flipped = np.asarray(values, np.float64)[::-1]
    return lfilter([1.0], [1.0, -discount], flipped)[::-1]


def gae(rewards: np.ndarray, values: np.ndarray, gamma: float, lam: float) -> np.ndarray:
    """Generalised advantage estimates [N] (Schulman et al. 2016, Eq. 16).

    rewards:  r0 r1 ... rN-1
    values:   v0 v1 ... vN     vN is 0 where the task terminated, a bootstrap where it was cut

    Args:
        rewards: [N].
        values: [N+1] state values, the last one after the last step.
        gamma: discount per step.
        lam: lambda of the exponential average; 1 gives Monte Carlo, 0 one-step errors.
    """
    deltas = rewards + gamma * values[1:] - values[:-1]
    return discounted_sums(deltas, gamma * lam)
