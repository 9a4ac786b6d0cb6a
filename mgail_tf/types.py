"""The nouns of the package, as NamedTuples of NumPy arrays. Shapes are time-major: [T, B, ...]."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np


class Leaf(NamedTuple):
    """One array of a structured observation, and how it becomes components of the state.

    Numbers stay as they are, in row-major order. Each entry of what is discrete becomes one-hot.
    This is what `gymnasium.spaces.flatten` does.
    """

    path: tuple[str | int, ...]  # keys of dictionaries and places in tuples that lead to it
    shape: tuple[int, ...]
    choices: tuple[int, ...] = ()  # how many values each discrete entry has; (): it holds numbers
    first: tuple[int, ...] = ()  # the smallest value of each discrete entry

    @property
    def name(self) -> str:
        """What messages and signatures call it: "observation", or its path."""
        return ".".join(map(str, self.path)) or "observation"

    @property
    def size(self) -> int:
        """Number of components of the state."""
        return sum(self.choices) if self.choices else math.prod(self.shape)

    def flatten(self, observation: Any) -> np.ndarray:
        """Return this leaf's components [size] of a whole observation, as float32.

        Raises:
            ValueError: it is not there, has another shape, or holds no such value.
        """
        value: Any = observation
        for key in self.path:
            if not (isinstance(value, Mapping) or (isinstance(key, int) and _is_tuple(value))):
                raise ValueError(f"{self.name}: found no such entry")
            try:
                value = value[key]
            except (KeyError, IndexError):
                raise ValueError(f"{self.name}: found no such entry") from None
        try:
            array = np.asarray(value, np.float32)
        except (TypeError, ValueError):
            found = type(value).__name__
            raise ValueError(f"{self.name}: found a {found}, expected numbers") from None
        if array.shape != self.shape:
            raise ValueError(f"{self.name}: found shape {array.shape}, expected {self.shape}")
        if not self.choices:
            return array.ravel()
        places = array.ravel() - self.first
        if not ((places == np.round(places)) & (places >= 0) & (places < self.choices)).all():
            last = [n + k - 1 for n, k in zip(self.first, self.choices, strict=True)]
            expected = f"expected whole numbers from {list(self.first)} to {last}"
            raise ValueError(f"{self.name}: found {array.ravel().tolist()}, {expected}")
        one_hot = np.zeros(self.size, np.float32)
        one_hot[np.cumsum((0, *self.choices[:-1])) + places.astype(np.int64)] = 1.0
        return one_hot


def _is_tuple(value: Any) -> bool:
    return isinstance(value, tuple | list)


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
    leaves: tuple[Leaf, ...] = ()  # of an observation that is no flat array; else empty
    action_shape: tuple[int, ...] = ()  # of a continuous action that is no flat array; else empty
    env_kwargs: str = ""  # JSON of what the environment was made with; "" if nothing
    wrappers: tuple[str, ...] = ()  # those around it that may change what it does, outermost first

    @property
    def action_shift(self) -> np.ndarray:
        """Middle of the action range, [A]."""
        return (self.action_high + self.action_low) / 2

    @property
    def action_scale(self) -> np.ndarray:
        """Half of the action range, [A]; 1 where the range is a single value."""
        half = (self.action_high - self.action_low) / 2
        return np.where(half > 0, half, np.ones_like(half))

    def flatten(self, observation: Any) -> np.ndarray:
        """Return the state [S] of an observation as the environment gives it, or a flat one.

        Raises:
            ValueError: it does not fit the observation space.
        """
        expected = (self.state_size,)
        if isinstance(observation, np.ndarray) and observation.shape == expected:
            return np.array(observation, np.float32)
        if not self.leaves:
            state = np.array(observation, np.float32)
            if state.shape != expected:
                raise ValueError(f"observation: found shape {state.shape}, expected {expected}")
            return state
        return np.concatenate([leaf.flatten(observation) for leaf in self.leaves])

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
    success: bool | None = None  # of the task, by the last step's info; None: it does not say


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
