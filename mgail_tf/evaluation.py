"""Scoring a policy on its own environment, deterministically and as sampled."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mgail_tf import envs
from mgail_tf.actor import Actor
from mgail_tf.rollout import Collector
from mgail_tf.types import Episode

EVALUATION_SEED = 1_000_000  # apart from every training seed


class Score(NamedTuple):
    """Statistics over evaluation episodes."""

    mode: str  # deterministic or stochastic
    episodes: int
    return_mean: float
    return_std_over_episodes: float
    length_mean: float

    def rounded(self) -> dict[str, Any]:
        """Return the columns of a result row."""
        values = {
            name: x if isinstance(x, str) else round(float(x), 2)
            for name, x in self._asdict().items()
        }
        return {**values, "episodes": self.episodes}


def evaluate(
    task: str,
    policy: Actor,
    episodes: int,
    seed: int,
    mode: str,
    seen: Callable[[Episode], None] | None = None,
) -> Score:
    """Run whole episodes on a fresh environment, seeded apart from any training one.

    Args:
        mode: "deterministic" (the mean or most probable action) or "stochastic".
        seen: is given every episode.
    """
    collector = Collector(envs.make(task, seed), np.random.default_rng(seed))
    for _ in range(episodes):
        episode = collector.run_episode(policy, stochastic=mode == "stochastic")
        if seen:
            seen(episode)
    returns, lengths = np.asarray(collector.finished, np.float64).T
    return Score(mode, episodes, returns.mean(), returns.std(), lengths.mean())


def evaluate_random(task: str, episodes: int, seed: int) -> float:
    """Return the mean return of uniformly random actions, the zero of the normalised score."""
    env = envs.make(task, seed)
    rng = np.random.default_rng(seed)
    size, total = env.spec.action_size, 0.0
    for _ in range(episodes):
        env.reset()
        ended = False
        while not ended:
            uniform = rng.uniform(-1, 1, size).astype(np.float32)
            sample = (
                np.eye(size, dtype=np.float32)[uniform.argmax()] if env.spec.discrete else uniform
            )
            _, _, reward, terminated, truncated = env.step(sample)
            total += reward
            ended = terminated or truncated
    return total / episodes


def normalised(return_mean: float, random_return: float, expert_return: float) -> float:
    """Return (R - random) / (expert - random): 0 is a random policy, 1 the expert; NaN if equal."""
    if expert_return == random_return:
        return math.nan
    return (return_mean - random_return) / (expert_return - random_return)
