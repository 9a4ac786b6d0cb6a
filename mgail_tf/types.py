"""The nouns of the package, as NamedTuples of NumPy arrays. Shapes are time-major: [T, B, ...]."""

from typing import Any, NamedTuple

import numpy as np


class Spec(NamedTuple):
    """What an agent must know of an environment."""

    env_id: str
    state_size: int  # S
    action_size: int  # A: components of a continuous action, or the number of discrete ones
    discrete: bool
    action_low: np.ndarray  # [A] environment units; -1 where discrete
    action_high: np.ndarray  # [A]
    max_steps: int  # time limit
    first_action: int = 0  # number of the first discrete action

    @property
    def action_shift(self) -> np.ndarray:
        """Middle of the action range, [A]."""
        return (self.action_high + self.action_low) / 2

    @property
    def action_scale(self) -> np.ndarray:
        """Half of the action range, [A]; 1 where the range is a single value."""
        half = (self.action_high - self.action_low) / 2
        return np.where(half > 0, half, np.ones_like(half))

    def scale_actions(self, actions: np.ndarray) -> np.ndarray:
        """Map actions [..., A] from environment units to [-1, 1]; one-hot ones stay as they are."""
        if self.discrete:
            return actions
        return ((actions - self.action_shift) / self.action_scale).astype(np.float32)

    def one_hot(self, actions: np.ndarray) -> np.ndarray:
        """Map discrete actions [...], numbered as the environment does, to one-hot [..., A]."""
        return np.eye(self.action_size, dtype=np.float32)[np.asarray(actions) - self.first_action]

    def apply(self, sample: np.ndarray) -> np.ndarray:
        """Map a policy's samples [..., A] to actions as the environment takes them.

        Returns:
            Continuous actions [..., A], clipped to the action space, or the numbers [...] of
            discrete ones.
        """
        if self.discrete:
            return self.first_action + np.argmax(sample, -1)
        actions = self.action_shift + self.action_scale * sample
        return np.clip(actions, self.action_low, self.action_high).astype(np.float32)


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


class StateActions(NamedTuple):
    """Independent state-action pairs. There is no reward: an imitator cannot see one."""

    states: np.ndarray  # [..., S] environment units, or standardised where a network sees them
    actions: np.ndarray  # [..., A] in [-1, 1] units or one-hot


class Sequences(NamedTuple):
    """Recorded stretches of L steps that never cross the end of an episode.

    Where `mask` is 0 the step lies before the beginning of the episode and is padding.
    """

    states: np.ndarray  # [L+1, B, S]
    actions: np.ndarray  # [L, B, A]
    terminated: np.ndarray  # [L, B] 1 where the task ended at the step's next state
    mask: np.ndarray  # [L, B] 1 where the step is a recorded one


class Trajectory(NamedTuple):
    """Imagined (or replayed) steps, as tensors."""

    states: Any  # [T+1, B, S]
    actions: Any  # [T, B, A]
    continuation: Any  # [T, B] probability that the step does not terminate the task
    mask: Any  # [T, B] 0 where a replayed step is padding
