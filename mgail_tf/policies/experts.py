"""The committed experts: their weights, their scores, and demonstrations rolled out of them."""

import csv
import dataclasses
import os
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mgail_tf.config.tasks import TASKS
from mgail_tf.data.demonstrations import Demonstrations
from mgail_tf.envs.evaluation import evaluate_random
from mgail_tf.envs.gym_env import EnvLike, Observed, make, observed
from mgail_tf.envs.rollout import Collector, check_act
from mgail_tf.errors import BadInput, one_line, whole
from mgail_tf.policies.numpy_policy import NumpyPolicy, sha256
from mgail_tf.types import Spec

CACHE = Path("runs/demos")


class Reference(NamedTuple):
    """The two returns that a normalised score lies between."""

    random: float
    expert: float  # as sampled


def results_folder() -> Path:
    """Return results/ of the checkout, or the part of it that an installed package carries."""
    installed = Path(str(resources.files("mgail_tf"))) / "committed"
    return installed if installed.exists() else Path(__file__).resolve().parents[2] / "results"


def weights_path(task: str) -> Path:
    """Return where a task's committed expert lies."""
    return results_folder() / "experts" / task / "policy.npz"


def load(task: str, spec: Spec) -> NumpyPolicy:
    """Return a task's committed expert.

    Raises:
        BadInput: there is none.
    """
    path = weights_path(task)
    if not path.exists():
        known = "expected a task of mgail_tf.TASKS"
        raise BadInput(f"{task}: no committed expert at {path.parent}; {known}")
    return NumpyPolicy.load(path, spec)


def rows(task: str) -> list[dict[str, Any]]:
    """Return a task's rows of experts.csv, one a mode."""
    path = results_folder() / "experts.csv"
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["task"] == task]


def committed_reference(task: str) -> Reference | None:
    """Return the scores of a task's committed expert and of random actions; None without one."""
    for row in rows(task):
        if row["mode"] == "stochastic":
            return Reference(float(row["random_return_mean"]), float(row["return_mean"]))
    return None


def reference(task: str, env: EnvLike, demonstrations: Demonstrations, seed: int) -> Reference:
    """Return what an imitator's score is measured by.

    The expert's return is what the demonstrations say, or the committed expert's where they hold no
    rewards. The random policy's is the committed one, or else measured over 20 episodes.
    """
    committed, shown = committed_reference(task), demonstrations.expert_return
    if committed is None:
        return Reference(evaluate_random(env, 20, seed), shown)
    return committed if np.isnan(shown) else committed._replace(expert=shown)


class _Controller:
    """A function of observations to actions, as rollouts use a policy."""

    def __init__(self, function: Callable[[Any], Any], env: Observed, spec: Spec):
        self._function, self._env, self._spec = function, env, spec

    def act(self, state: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Return the action for the last observation, in [-1, 1] units or one-hot."""
        try:
            action = self._function(self._env.observation)
        except Exception as error:  # whatever a user's function raises
            raise BadInput(f"policy: {one_line(error)}") from error
        spec = self._spec
        size = 1 if spec.discrete else spec.action_size
        expected = "the number of an action" if spec.discrete else f"an action [{size}]"
        try:
            array = np.asarray(action).reshape(size)
            fits = np.isfinite(array).all()
            if spec.discrete:
                fits &= 0 <= array[0] - spec.first_action < spec.action_size
                fits &= array.dtype.kind in "iu"
        except (TypeError, ValueError):  # no numbers, or too few or many
            fits = False
        if not fits:
            found = " ".join(repr(action).split())[:80]
            raise BadInput(f"policy: found {found}, expected {expected} of {spec.env_id}")
        return spec.one_hot(array[0]) if spec.discrete else spec.scale_actions(array)


def record(
    env: EnvLike,
    policy: Any,
    episodes: int,
    seed: int = 0,
    stochastic: bool = True,
    progress: Callable[[], object] = lambda: None,
) -> Demonstrations:
    """Roll whole episodes out; the same arguments give the same bytes.

    Actions outside the environment's bounds are recorded as it applies them: clipped.

    Args:
        env: an environment, which is stepped itself and not a copy of it, a function that makes
            one, the name of a task, or a Gymnasium id.
        policy: one of
            a function of an observation, as the environment returns it, to the action that the
            environment is to take, such as a scripted controller;
            an object with Stable-Baselines3's `predict(observation) -> (action, state)`; what it
            draws is not fixed by `seed`;
            a policy of this package, with `act(state, rng)`, or `at(step)` that returns one.
        episodes: how many.
        seed: fixes the environment, and what a policy of this package draws.
        stochastic: a policy of this package acts as sampled, not with its most probable action.
        progress: is called after every episode.

    Raises:
        BadInput: the environment cannot be made or stepped, or the policy raises something or
            returns what is no action.
    """
    if whole("episodes", episodes) < 1:
        raise BadInput(f"record: found {episodes} episodes, expected at least 1")
    if hasattr(policy, "act") or hasattr(policy, "at"):
        check_act(policy)
        acting, environment = policy, make(env, seed)
    else:
        function: Callable[[Any], Any] = policy
        if hasattr(policy, "predict"):

            def function(observation: Any) -> Any:
                return policy.predict(observation)[0]

        elif not callable(policy):
            expected = "a function, or an object with act or predict"
            raise BadInput(f"policy: found a {type(policy).__name__}, expected {expected}")
        seen = observed(env)
        # an object is its user's to close
        environment = make(seen if seen.env is env else lambda: seen, seed)
        acting = _Controller(function, seen, environment.spec)
    collector = Collector(environment, np.random.default_rng(seed))
    rolled = []
    for _ in range(episodes):
        rolled.append(collector.run_episode(acting, stochastic))
        progress()
    return Demonstrations.from_episodes(environment.spec, rolled)


def recorded_path(task: str, episodes: int, seed: int = 0, cache: str | Path = CACHE) -> Path:
    """Return where `expert_demonstrations` keeps so many episodes of a task's committed expert."""
    weights = sha256(weights_path(task))[:12]
    # the sample depends on the kernel by which OpenBLAS rounds, see docs/reliability.md
    kernel = os.environ.get("OPENBLAS_CORETYPE", "native")
    return Path(cache) / f"{task}_sampled_{episodes}_seed{seed}_{weights}_{kernel}.npz"


def expert_demonstrations(
    task: str, episodes: int | None = None, seed: int = 0, cache: str | Path = CACHE
) -> Demonstrations:
    """Return demonstrations of a task's committed expert, sampled, from a cache or rolled out now.

    Args:
        episodes: how many; None: as many as the largest dataset of the paper's Table 1 has, or one
            of an environment that is not in it.
        cache: folder where they are kept.

    Raises:
        BadInput: the task has no committed expert, or the folder cannot be written.
    """
    spec = make(task, 0).spec
    policy = load(task, spec)
    count = episodes
    if count is None:
        count = TASKS[task].pool if task in TASKS else 1
    path = recorded_path(task, count, seed, cache)
    if not path.exists():
        record(task, policy, count, seed).save_whole(path)
    shown, known = Demonstrations.load(path), committed_reference(task)
    return dataclasses.replace(shown, expert_return=known.expert) if known else shown
