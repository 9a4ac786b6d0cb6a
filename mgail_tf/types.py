"""The nouns of the package, as plain NamedTuples of NumPy arrays. Shapes are time-major."""

import zipfile
import zlib
from typing import Any, NamedTuple

import numpy as np


class BadInput(ValueError):
    """Something a user gave is wrong; the message is one line that says what and where.

    Scripts print it and end with exit code 2.
    """


class Diverged(ArithmeticError):
    """Training has left the finite numbers; the message is one line that says what and when.

    Scripts print it and end with exit code 1.
    """

    def __init__(self, metric: str, value: float, iteration: int, where: str = ""):
        """Name the network that a metric belongs to: by its first word, else the policy."""
        first = metric.replace("end_loss", "model").split("_")[0]
        network = first if first in ("model", "discriminator", "value") else "policy"
        super().__init__(f"{network}: {metric} is {value} in iteration {iteration}{where}")
        self.metric, self.value, self.iteration = metric, value, iteration


# what numpy and zipfile raise on damaged or foreign files
UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    TypeError,
    AttributeError,
    RuntimeError,
    KeyError,
    MemoryError,  # a header that claims more than there is
    zipfile.BadZipFile,
    zlib.error,
)


class Spec(NamedTuple):
    """What an agent must know of an environment."""

    env_id: str
    state_size: int  # S
    action_size: int  # A: components of a continuous action, or number of discrete ones
    discrete: bool
    action_low: np.ndarray  # [A] env units; -1 where discrete
    action_high: np.ndarray  # [A]
    max_steps: int  # time limit
    first_action: int = 0  # number of the first discrete action

    @property
    def action_shift(self) -> np.ndarray:
        """Middle of the action range, [A]."""
        return (self.action_high + self.action_low) / 2

    @property
    def action_scale(self) -> np.ndarray:
        """Half of the action range, [A]; 1 where there is but one action: it is clipped to it."""
        half = (self.action_high - self.action_low) / 2
        return np.where(half > 0, half, np.ones_like(half))

    def scale_actions(self, actions: np.ndarray) -> np.ndarray:
        """Map actions [..., A] from environment units to [-1, 1]; one-hot ones are left alone."""
        if self.discrete:
            return actions
        return ((actions - self.action_shift) / self.action_scale).astype(np.float32)


class Episode(NamedTuple):
    """N consecutive steps of one episode: all of it, or the part between two updates.

    states:    s0 s1 ... sN
    actions:   a0 a1 ... aN-1   a_t leads from s_t to s_t+1
    """

    states: np.ndarray  # [N+1, S]
    actions: np.ndarray  # [N, A] as the environment applied them: clipped, or one-hot
    samples: np.ndarray  # [N, A] as the policy drew them, in [-1, 1] units, before clipping
    rewards: np.ndarray  # [N] for evaluation only
    terminated: bool  # the task ended at sN
    truncated: bool  # a time limit ended the episode at sN
    continued: bool  # s0 is the last state of the Episode collected before this one


class Pairs(NamedTuple):
    """Independent state-action pairs. There is no reward: an imitator cannot see one."""

    states: np.ndarray  # [..., S] environment units, or standardised where a network sees them
    actions: np.ndarray  # [..., A] in [-1, 1] units or one-hot


class Sequences(NamedTuple):
    """Recorded stretches that never cross an episode's end.

    Where `mask` is 0 the step lies before the episode's beginning and is padding.
    """

    states: np.ndarray  # [L+1, B, S]
    actions: np.ndarray  # [L, B, A]
    terminated: np.ndarray  # [L, B] 1 where the task ended at the step's next state
    mask: np.ndarray  # [L, B] 1 where the step is a recorded one


class Trajectory(NamedTuple):
    """Imagined (or replayed) steps, as tensors."""

    states: Any  # [T+1, B, S]
    actions: Any  # [T, B, A]
    survival: Any  # [T, B] probability that the step does not end the task
