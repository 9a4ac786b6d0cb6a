"""How much of an imitator's score comes from what an episode's end is worth, not from the expert.

A reward that is never negative keeps an agent alive whoever it imitates, and a cost for being dead
does so too (Kostrikov et al. 2019). The same run is made again without an expert to learn from.
"""

import dataclasses
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mgail_tf import demos, envs, experts, tables
from mgail_tf.actor import NumpyPolicy
from mgail_tf.evaluation import normalised
from mgail_tf.imitation import Imitation, imitate_once
from mgail_tf.normaliser import Normaliser
from mgail_tf.tasks import TASKS
from mgail_tf.types import BadInput, Spec

AUDITS = ("expert", "untrained", "constant", "other_sign")
_OTHER_SIGN = {"log_d": "neg_log_expert", "neg_log_expert": "log_d"}


def constant_policy(spec: Spec) -> NumpyPolicy:
    """Return the policy that always takes the middle of the action range, or the first action."""
    bias = np.zeros(spec.action_size, np.float32)
    bias[0] = float(spec.discrete)
    kernel = np.zeros([spec.state_size, spec.action_size], np.float32)
    normaliser = Normaliser(np.zeros(spec.state_size), np.ones(spec.state_size), 10.0)
    log_std = np.zeros(0 if spec.discrete else spec.action_size, np.float32)
    return NumpyPolicy((kernel, bias), log_std, normaliser, "tanh", "linear", spec.discrete)


class _Demonstrator(NamedTuple):
    """The constant policy's demonstrations: as many pairs as the expert's."""

    path: Path
    num_trajectories: int
    subsample: int
    return_mean: float


def _constant(task: str, seed: int, folder: Path) -> _Demonstrator:
    spec, settings = envs.make(task, seed).spec, TASKS[task]
    lengths = [float(row["length_mean"]) for row in experts.rows(task)]
    pairs = settings.num_trajectories * lengths[0] / settings.subsample
    path = folder / "constant.npz"
    policy = constant_policy(spec)
    experts.collect(policy, task, 10, seed, False, path)
    length = np.mean([len(e.actions) for e in demos.load(path, spec).episodes])
    count = math.ceil(pairs / length)
    experts.collect(policy, task, count, seed, False, path)
    every = max(1, round(count * length / pairs))
    return _Demonstrator(path, count, every, demos.load(path, spec).return_mean)


def _job(job: Imitation, audit: str, demonstrator: _Demonstrator) -> Imitation:
    """Return the run of one audit."""
    config = job.config
    changes: dict[str, Any] = {}
    if audit == "untrained":
        changes["discriminator_learning_rate"] = 0.0
        if job.algorithm == "mgail":
            changes["cloning"] = 0.0  # it would learn from the expert all the same
    elif audit == "constant":
        _, count, every, _ = demonstrator
        job = job._replace(demos_path=demonstrator.path, num_trajectories=count, subsample=every)
    elif audit == "other_sign":
        changes["cost"] = _OTHER_SIGN[config.cost]
    return job._replace(
        config=dataclasses.replace(config, **changes),
        variant=f"audit_{audit}",
        results_path=None,
        out=job.out / f"{job.algorithm}-{audit}",
    )


def audit(job: Imitation, table: Path) -> list[dict[str, Any]]:
    """Run an imitator as it is, and thrice without the expert's help; append a row each.

    Args:
        job: the run; each audit's directory lies in its `out`, and finished ones are not repeated.
        table: CSV with the score of the final policy (deterministic), and its share of the score
            with the expert.

    Raises:
        BadInput: the task has no committed expert, or the cost has no other sign.
    """
    reference = experts.committed_reference(job.task)
    if job.task not in TASKS or reference is None:
        names = ", ".join(name for name in TASKS if experts.rows(name))
        raise BadInput(f"--task={job.task}: no committed expert, expected one of {names}")
    if job.config.cost not in _OTHER_SIGN:
        expected = " or ".join(_OTHER_SIGN)
        raise BadInput(f"--set cost={job.config.cost}: has no other sign, expected {expected}")
    tables.check_table(table, ("task", "algorithm", "audit", "cost", *_COPIED, *_SHARES))
    demonstrator = _constant(job.task, job.seed, job.out)
    rows: list[dict[str, Any]] = []
    for name in AUDITS:
        found = imitate_once(_job(job, name, demonstrator))[0]
        row = {
            "task": job.task,
            "algorithm": job.algorithm,
            "audit": name,
            "cost": _job(job, name, demonstrator).config.cost,
            **{key: found[key] for key in _COPIED},
        }
        row["normalised"] = round(normalised(found["return_mean"], *reference), 4)
        whole = rows[0]["normalised"] if rows else row["normalised"]
        row["share"] = round(row["normalised"] / whole, 4) if whole else math.nan
        shown = demonstrator.return_mean if name == "constant" else reference.expert
        row["demonstrator_return"] = round(shown, 2)
        rows.append(row)
    for row in rows:
        tables.append_row(table, row, once=True)
    return rows


_SHARES = ("share", "demonstrator_return")
_COPIED = (
    "seed",
    "env_steps",
    "episodes",
    "return_mean",
    "return_std_over_episodes",
    "length_mean",
    "normalised",
    "wall_seconds",
    "commit",
    "versions",
)
