"""Stepping environments with a NumPy policy."""

import inspect
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from mgail_tf.checkpoint import Resumable
from mgail_tf.envs.gym_env import Environment
from mgail_tf.errors import BadInput
from mgail_tf.types import Episode, Spec


class Policy(Protocol):
    """What rollouts need of a policy."""

    def act(self, state: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Return a sample [A] for one state [S]; without `rng` the mode of the distribution."""
        ...


class SteppedPolicy(Protocol):
    """A policy that depends on the step of the episode."""

    def at(self, step: int) -> Policy:
        """Return the policy that acts at a step, counted from 0."""
        ...


def at_step(policy: Policy | SteppedPolicy, step: int) -> Policy:
    """Return what acts at a step of an episode, counted from 0."""
    given: Any = policy
    return given.at(step) if hasattr(given, "at") else given


def check_act(policy: Policy | SteppedPolicy) -> None:
    """Refuse an object whose `act` is of another kind than a policy's.

    Raises:
        BadInput: it does not take a state and a generator.
    """
    if not hasattr(policy, "act"):
        return
    try:
        signature = inspect.signature(policy.act)
    except (TypeError, ValueError):  # one without a signature, as of a compiled module
        return
    try:
        signature.bind(None, None)
    except TypeError:
        found = f"{type(policy).__name__}: found act{signature}"
        expected = "act(state, rng); `record` takes a function of an observation too"
        raise BadInput(f"policy: {found}, expected {expected}") from None


class RandomPolicy:
    """Gaussian actions around the middle of their range, or uniform discrete ones."""

    def __init__(self, spec: Spec, std: float):
        """Take the standard deviation, in [-1, 1] units; of discrete actions it says nothing."""
        self._spec, self._std = spec, std

    def act(self, state: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Return a sample [A]; without `rng` the middle, or the first discrete action."""
        size = self._spec.action_size
        if self._spec.discrete:
            return np.eye(size, dtype=np.float32)[rng.integers(size) if rng else 0]
        noise = rng.standard_normal(size, np.float32) if rng else np.zeros(size, np.float32)
        return np.float32(self._std) * noise


def growing_limit(first: int | None, progress: float) -> int | None:
    """Return a time limit of training episodes that grows as the run goes on.

    Args:
        first: the limit at the beginning; None: there is none.
        progress: fraction of the run that is over; halfway the limit is twice the first.
    """
    return None if first is None else round(first / (1.0 - progress))


class Collector(Resumable):
    """Steps one environment, and keeps its place between calls.

    Attributes:
        env_steps: every step taken.
        finished: (return, length) of the episodes that ended.
        limit: an episode is cut off after so many steps, as by a time limit; None: it is not.
    """

    def __init__(self, env: Environment, rng: np.random.Generator):
        self.env = env
        self.env_steps = 0
        self.limit: int | None = None
        self.finished: list[tuple[float, float]] = []
        self._rng = rng
        self._state: np.ndarray | None = None
        self._return = 0.0
        self._origin: dict[str, Any] = {}  # of the episode that is going on
        self._taken: list[np.ndarray] = []  # its samples so far

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs: of an open episode its beginning and its actions."""
        is_open = self._state is not None
        return {
            "origin": self._origin if is_open else self.env.origin(),
            "taken": list(self._taken) if is_open else [],
            "open": is_open,
            "env_steps": self.env_steps,
            "finished": [list(pair) for pair in self.finished],
            "rng": self._rng.bit_generator.state,
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go back to where `state_dict()` was asked; an open episode is played again."""
        self.env.rewind(saved["origin"])
        self._state = None
        if saved["open"]:
            self._begin()
            for sample in saved["taken"]:
                self._step(sample)
        self.env_steps = saved["env_steps"]
        self.finished = [(pair[0], pair[1]) for pair in saved["finished"]]
        self._rng.bit_generator.state = saved["rng"]

    def _begin(self) -> np.ndarray:
        self._origin, self._taken, self._return = self.env.origin(), [], 0.0
        self._state = self.env.reset()
        return self._state

    def _step(self, sample: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, bool, bool]:
        result = self.env.step(sample)
        self._state = result[1]
        self._taken.append(sample)
        self._return += result[2]
        self.env_steps += 1
        return result

    def collect(
        self, policy: Policy | SteppedPolicy, steps: int, stochastic: bool = True
    ) -> list[Episode]:
        """Take exactly `steps` steps; the last Episode may be left open and continued later."""
        return list(self._episodes(policy, steps, stochastic))

    @property
    def length(self) -> int:
        """Steps so far of the episode that is going on."""
        return 0 if self._state is None else len(self._taken)

    def abandon(self) -> None:
        """Let the next step be the first of a new episode."""
        self._state = None

    def run_episode(self, policy: Policy | SteppedPolicy, stochastic: bool) -> Episode:
        """Run one episode from a reset to its end."""
        self.abandon()
        return next(self._episodes(policy, 1 << 30, stochastic))

    def _episodes(
        self, policy: Policy | SteppedPolicy, steps: int, stochastic: bool
    ) -> Iterator[Episode]:
        rng = self._rng if stochastic else None
        if self._state is not None and self.env.taken_over:
            self.abandon()
            found = "found an object that something else resets too, whose open episode is left"
            expected = "give each a function that makes it"
            warnings.warn(f"{self.env.spec.env_id}: {found}; {expected}", stacklevel=2)
        while steps > 0:
            continued = self._state is not None
            states = [self._begin() if self._state is None else self._state]
            actions: list[np.ndarray] = []
            rewards: list[float] = []
            before = len(self._taken)
            terminated = truncated = False
            try:
                while steps > 0 and not (terminated or truncated):
                    sample = at_step(policy, len(self._taken)).act(states[-1], rng)
                    applied, state, reward, terminated, truncated = self._step(sample)
                    cut = self.limit is not None and len(self._taken) >= self.limit
                    truncated = truncated or cut
                    states.append(state)
                    actions.append(applied)
                    rewards.append(reward)
                    steps -= 1
            except BaseException:  # these steps are lost, so nothing may continue them
                self.abandon()
                raise
            samples = self._taken[before:]
            if terminated or truncated:
                self.finished.append((self._return, len(self._taken)))
                self._state = None
            yield Episode(
                np.asarray(states, np.float32),
                np.asarray(actions, np.float32),
                np.asarray(samples, np.float32),
                np.asarray(rewards, np.float64),
                terminated,
                truncated,
                continued,
                self.env.success,
            )
