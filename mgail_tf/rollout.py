"""Stepping environments with a NumPy policy."""

from collections.abc import Iterator

import numpy as np

from mgail_tf.actor import Actor
from mgail_tf.envs import Env
from mgail_tf.types import Episode


class Collector:
    """Steps one environment, and keeps its place between calls.

    `env_steps` counts every step taken; `finished` lists (return, length) of ended episodes.
    """

    def __init__(self, env: Env, rng: np.random.Generator):
        self.env = env
        self.env_steps = 0
        self.finished: list[tuple[float, float]] = []
        self._rng = rng
        self._state: np.ndarray | None = None
        self._return, self._length = 0.0, 0

    def collect(self, policy: Actor, steps: int, stochastic: bool = True) -> list[Episode]:
        """Take exactly `steps` steps; the last Episode may be left open and continued later."""
        return list(self._episodes(policy, steps, stochastic))

    def run_episode(self, policy: Actor, stochastic: bool) -> Episode:
        """Run one episode from a reset to its end."""
        self._state = None
        return next(self._episodes(policy, 1 << 30, stochastic))

    def _episodes(self, policy: Actor, steps: int, stochastic: bool) -> Iterator[Episode]:
        rng = self._rng if stochastic else None
        while steps > 0:
            continued = self._state is not None
            if self._state is None:
                self._state, self._return, self._length = self.env.reset(), 0.0, 0
            states, actions, samples, rewards = [self._state], [], [], []
            terminated = truncated = False
            while steps > 0 and not (terminated or truncated):
                sample = policy.act(states[-1], rng)
                applied, state, reward, terminated, truncated = self.env.step(sample)
                states.append(state)
                actions.append(applied)
                samples.append(sample)
                rewards.append(reward)
                steps -= 1
            self.env_steps += len(actions)
            self._return += sum(rewards)
            self._length += len(rewards)
            self._state = states[-1]
            if terminated or truncated:
                self.finished.append((self._return, self._length))
                self._state = None
            yield Episode(
                np.asarray(states, np.float32),
                np.asarray(actions, np.float32),
                np.asarray(samples, np.float32),
                np.asarray(rewards, np.float64),
                terminated,
                truncated,
                continued,
            )
