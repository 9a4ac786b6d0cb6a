"""The committed experts: their weights, their scores, and demonstrations rolled out of them."""

import csv
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mgail_tf import actor, demos, envs, results, tables
from mgail_tf.actor import NumpyPolicy
from mgail_tf.evaluation import evaluate_random
from mgail_tf.rollout import Collector
from mgail_tf.types import BadInput, Spec


class Reference(NamedTuple):
    """The two returns that a normalised score lies between."""

    random: float
    expert: float  # as sampled


def weights_path(task: str) -> Path:
    """Return where a task's committed expert lies."""
    return tables.RESULTS / "experts" / task / "policy.npz"


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
    return actor.load(path, spec)


def rows(task: str) -> list[dict[str, Any]]:
    """Return a task's rows of experts.csv, one a mode."""
    path = tables.RESULTS / "experts.csv"
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


def reference(task: str, demonstrations: demos.Demonstrations, seed: int) -> Reference:
    """Return what a run on someone's own demonstrations is measured by: their mean return.

    Without rewards in them it is the committed expert's, where there is one. The random policy's
    is the committed one too, or else measured over 20 episodes.
    """
    committed, shown = committed_reference(task), demonstrations.return_mean
    if committed is None:
        return Reference(evaluate_random(task, 20, seed), shown)
    return committed if np.isnan(shown) else committed._replace(expert=shown)


def collect(
    policy: NumpyPolicy,
    task: str,
    episodes: int,
    seed: int,
    stochastic: bool,
    path: Path,
    progress: Callable[[], object] = lambda: None,
) -> None:
    """Roll whole episodes out and save them; the same arguments give the same bytes.

    Raises:
        BadInput: the folder cannot be made.
    """
    results.make_folder(path.parent)
    collector = Collector(envs.make(task, seed), np.random.default_rng(seed))
    spec, rolled = collector.env.spec, []
    for _ in range(episodes):
        rolled.append(collector.run_episode(policy, stochastic))
        progress()
    partial = path.with_name(f".{path.stem}.{os.getpid()}.npz")
    demos.save(partial, spec, rolled)
    partial.replace(path)  # never half a file under the final name


def cached_demonstrations(task: str, spec: Spec, episodes: int, seed: int, folder: Path) -> Path:
    """Return the sampled expert's demonstrations, rolled out once and kept in `folder`."""
    weights = actor.sha256(weights_path(task))[:12] if weights_path(task).exists() else ""
    policy = load(task, spec)
    path = folder / f"{task}_sampled_{episodes}_seed{seed}_{weights}.npz"
    if not path.exists():
        collect(policy, task, episodes, seed, True, path)
    return path
