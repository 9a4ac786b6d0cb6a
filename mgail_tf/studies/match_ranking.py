"""Does `match`, which sees no reward, rank policies as their return does?

Each task gets policies from good to bad: the committed expert, the expert with ever more random
actions among its own, or with ever larger errors in its weights, clones of ever fewer pairs, and
random actions alone.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from mgail_tf.agents.bc import BC
from mgail_tf.config.tasks import TASKS
from mgail_tf.envs.evaluation import EVALUATION_SEED, evaluate
from mgail_tf.envs.gym_env import make
from mgail_tf.envs.rollout import Policy, RandomPolicy
from mgail_tf.policies import experts
from mgail_tf.policies.match import compare
from mgail_tf.policies.numpy_policy import NumpyPolicy
from mgail_tf.types import Episode, Spec

COLUMNS = (
    *("task", "policy", "return_mean", "distance", "state_distance", "pair_distance"),
    *("classifier_accuracy", "length_mean", "terminated"),
)
KEY = COLUMNS[:2]
MEASURES = ("distance", "state_distance", "pair_distance", "classifier_accuracy")
SHARES = tuple(np.arange(1, 10) / 10)  # of random actions
ERRORS = tuple(np.geomspace(0.1, 3.0, 6))  # of the expert's weights, relative
HELD_OUT_SEED = 1  # of the demonstrations that no clone has seen


class Erring:
    """Takes a random action instead of a policy's in a share of the steps."""

    def __init__(self, policy: Policy, spec: Spec, share: float, seed: int):
        """Take the policy and the share, in [0, 1]."""
        self._policy, self._share = policy, share
        self._random, self._rng = RandomPolicy(spec, 0.5), np.random.default_rng(seed)

    def act(self, state: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Return a sample [A] for a state [S]."""
        if self._rng.random() < self._share:
            return self._random.act(state, self._rng)
        return self._policy.act(state, rng)


def policies(task: str, seed: int = 0) -> Iterator[tuple[str, Policy]]:
    """Yield (name, policy), 26 of them."""
    spec = make(task, seed).spec
    expert = experts.load(task, spec)
    yield "expert", expert
    for share in SHARES:
        yield f"{share:.0%} random actions", Erring(expert, spec, share, seed)
    rng = np.random.default_rng(seed)
    for error in ERRORS:
        yield f"errors of {error:.2f}", _disturbed(expert, error, rng)
    shown, every = experts.expert_demonstrations(task), TASKS[task].subsample
    for count in (1, 4, len(shown)):
        for sampling in (1, every, 4 * every):
            clone = BC(task, shown.sample(count, sampling, seed), seed=seed).learn()
            yield f"clone of {count} with 1 pair in {sampling}", clone.policy
    yield "random", Erring(expert, spec, 1.0, seed)


def _disturbed(policy: NumpyPolicy, error: float, rng: np.random.Generator) -> NumpyPolicy:
    weights = (w * (1.0 + error * rng.standard_normal(w.shape)) for w in policy.weights)
    return policy._replace(weights=tuple(w.astype(np.float32) for w in weights))


def measure(task: str, episodes: int = 10, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Yield a row for each policy: its return, and its match with held-out demonstrations."""
    spec = make(task, seed).spec
    expert = experts.load(task, spec)
    held_out = experts.record(task, expert, episodes, HELD_OUT_SEED)
    for name, policy in policies(task, seed):
        rolled: list[Episode] = []
        score = evaluate(policy, task, episodes, EVALUATION_SEED, seen=rolled.append)
        found = compare(rolled, held_out.for_spec(spec), spec)
        values = {column: round(getattr(found, column), 4) for column in COLUMNS[3:]}
        row: dict[str, Any] = {"task": task, "policy": name}
        yield row | {"return_mean": round(float(score.return_mean), 2)} | values


def correlation(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return Spearman's rho between the return and each measure, turned round: 1 is the same."""
    returns = [row["return_mean"] for row in rows]
    return {
        name: float(spearmanr(returns, [-row[name] for row in rows]).statistic) for name in MEASURES
    }
