"""Scoring a policy on its own environment, deterministically and as sampled."""

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np

from mgail_tf.envs.gym_env import EnvLike, apart_from, make
from mgail_tf.envs.rollout import Collector, Policy, SteppedPolicy, check_act
from mgail_tf.errors import BadInput, whole
from mgail_tf.types import Episode, Spec

EVALUATION_SEED = 1_000_000  # apart from every training seed


Mode = Literal["deterministic", "stochastic"]
MODES: tuple[Mode, ...] = ("deterministic", "stochastic")


class Score(NamedTuple):
    """Statistics over evaluation episodes."""

    mode: Mode
    episodes: int
    return_mean: float
    return_std_over_episodes: float
    length_mean: float
    success_rate: float = math.nan  # share of episodes that end in success; NaN: none tells

    def __str__(self) -> str:
        """Return one line for a person."""
        known = not math.isnan(self.success_rate)
        success = f", success in {100 * self.success_rate:.0f} %" if known else ""
        return (
            f"return {self.return_mean:.1f} +- {self.return_std_over_episodes:.1f} over "
            f"{self.episodes} {self.mode} episodes of {self.length_mean:.0f} steps{success}"
        )

    def rounded(self) -> dict[str, Any]:
        """Return the columns of a result row."""
        return {
            "mode": self.mode,
            "episodes": self.episodes,
            "return_mean": round(float(self.return_mean), 2),
            "return_std_over_episodes": round(float(self.return_std_over_episodes), 2),
            "length_mean": round(float(self.length_mean), 2),
        }


def evaluate(
    policy: Policy | SteppedPolicy,
    env: EnvLike,
    episodes: int = 50,
    seed: int = EVALUATION_SEED,
    mode: Mode = "deterministic",
    seen: Callable[[Episode], None] | None = None,
) -> Score:
    """Run whole episodes and return the statistics of their returns.

    An environment object is copied if it can be, so that a training on it is left alone.

    Args:
        policy: an agent's `policy`, or anything with `act(state, rng)`, or with `at(step)` that
            returns such a thing for each step of an episode. It returns samples in [-1, 1] units,
            or one-hot where actions are discrete. An episode is a success if
            `info["is_success"]` or `info["success"]` says so at its last step; one that does not
            say is none, if another one says.
        seed: of the environment and of what is sampled.
        mode: "deterministic" (the mean or most probable action) or "stochastic".
        seen: is given every episode.

    Raises:
        BadInput: the environment cannot be made or stepped, or there is no episode to run.
    """
    if not (hasattr(policy, "act") or hasattr(policy, "at")):
        found = type(policy).__name__
        raise BadInput(f"evaluate: found a {found}, expected a policy (an agent's .policy)")
    check_act(policy)
    if whole("episodes", episodes) < 1 or mode not in MODES:
        expected = f"1 or more, {' or '.join(MODES)}"
        raise BadInput(f"evaluate: found {episodes} episodes, {mode}; expected {expected}")
    # the environment's own generator has the seed alone
    collector = Collector(make(apart_from(env), seed), np.random.default_rng([seed, 1]))
    successes: list[bool | None] = []
    try:
        for _ in range(episodes):
            episode = collector.run_episode(policy, stochastic=mode == "stochastic")
            successes.append(episode.success)
            if seen:
                seen(episode)
    finally:
        collector.env.close()
    returns, lengths = np.asarray(collector.finished, np.float64).T
    told = any(success is not None for success in successes)
    success = float(np.mean([bool(success) for success in successes])) if told else math.nan
    return Score(mode, episodes, returns.mean(), returns.std(), lengths.mean(), success)


class UniformPolicy:
    """Uniformly random actions, the random policy of every score and comparison."""

    def __init__(self, spec: Spec, seed: int):
        """Take the seed of what is drawn."""
        self._spec, self._rng = spec, np.random.default_rng([seed, 2])

    def act(self, state: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Return a sample [A], whatever the state."""
        uniform = self._rng.uniform(-1, 1, self._spec.action_size).astype(np.float32)
        if not self._spec.discrete:
            return uniform
        return np.eye(len(uniform), dtype=np.float32)[uniform.argmax()]


def evaluate_random(env: EnvLike, episodes: int, seed: int) -> float:
    """Return the mean return of uniformly random actions, the zero of the normalised score."""
    uniform = UniformPolicy(make(apart_from(env), seed).spec, seed)
    return evaluate(uniform, env, episodes, seed).return_mean


def normalised(return_mean: float, random_return: float, expert_return: float) -> float:
    """Return (R - random) / (expert - random): 0 is a random policy, 1 the expert.

    NaN unless the expert earns more than random actions: otherwise returns do not tell how well a
    policy imitates it.
    """
    if not expert_return > random_return:
        return math.nan
    return (return_mean - random_return) / (expert_return - random_return)
