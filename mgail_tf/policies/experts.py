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
from mgail_tf.envs.gym_env import EnvLike, make
from mgail_tf.envs.rollout import Collector, Policy, SteppedPolicy
from mgail_tf.errors import BadInput
from mgail_tf.files import make_folder
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
        raise BadInput(
            f"{task}: no committed expert at {path.parent}; give --demos, or train one with "
            f"launch/train_expert.py --task={task}"
        )
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


def collect(
    policy: Policy | SteppedPolicy,
    env: EnvLike,
    episodes: int,
    seed: int,
    stochastic: bool,
    progress: Callable[[], object] = lambda: None,
) -> Demonstrations:
    """Roll whole episodes out; the same arguments give the same bytes."""
    collector = Collector(make(env, seed), np.random.default_rng(seed))
    rolled = []
    for _ in range(episodes):
        rolled.append(collector.run_episode(policy, stochastic))
        progress()
    return Demonstrations.from_episodes(collector.env.spec, rolled)


def save_demonstrations(demonstrations: Demonstrations, path: Path) -> None:
    """Write demonstrations so that a file under that name is always whole.

    Raises:
        BadInput: the folder cannot be made.
    """
    make_folder(path.parent)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.npz")
    demonstrations.save(partial)
    partial.replace(path)


def expert_demonstrations(
    task: str, episodes: int | None = None, seed: int = 0, cache: str | Path = CACHE
) -> Demonstrations:
    """Return demonstrations of a task's committed expert, sampled, from a cache or rolled out now.

    Args:
        episodes: how many; None: as many as the largest dataset of the paper's Table 1 has.
        cache: folder where they are kept.

    Raises:
        BadInput: the task has no committed expert, or the folder cannot be written.
    """
    spec = make(task, 0).spec
    policy = load(task, spec)
    count = episodes or (TASKS[task].pool if task in TASKS else 1)
    weights = sha256(weights_path(task))[:12]
    path = Path(cache) / f"{task}_sampled_{count}_seed{seed}_{weights}.npz"
    if not path.exists():
        save_demonstrations(collect(policy, task, count, seed, stochastic=True), path)
    shown, known = Demonstrations.load(path), committed_reference(task)
    return dataclasses.replace(shown, expert_return=known.expert) if known else shown
