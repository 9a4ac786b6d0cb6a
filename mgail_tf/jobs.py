"""What the launch scripts run: one training run, from its inputs to a scored, exported policy."""

import dataclasses
import math
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from mgail_tf import actor as actors
from mgail_tf import demos, envs, experts, export, results
from mgail_tf.actor import NumpyPolicy
from mgail_tf.agents import bc, mgail, trpo
from mgail_tf.config import TASKS
from mgail_tf.evaluation import Score, evaluate, evaluate_random, normalised
from mgail_tf.types import Spec

EVALUATION_SEED = 1_000_000  # apart from every training seed


class Imitation(NamedTuple):
    """One run of an imitator: what it learns from, with what settings, and where to."""

    algorithm: str  # bc or mgail
    task: str
    config: Any
    seed: int
    out: Path
    variant: str = "default"
    demos_path: Path | None = None  # None: from the committed expert
    cache: Path = Path("runs/demos")
    num_trajectories: int | None = None  # None: the task's
    subsample: int | None = None
    episodes: int = 50
    results_path: Path | None = None  # None: results.csv in `out`


class _Given(NamedTuple):
    """What an imitator gets, and what its score is measured by."""

    spec: Spec
    demonstrations: demos.Demonstrations
    pairs: demos.Pairs
    subsample: int
    reference: experts.Reference


def _prepare(job: Imitation) -> _Given:
    spec = envs.make(job.task, job.seed).spec
    task = TASKS.get(job.task)
    path = job.demos_path
    if path is None:
        pool = task.pool if task else 1
        path = experts.cached_demonstrations(job.task, spec, pool, 0, job.cache)
    loaded = demos.load(path, spec)
    count = job.num_trajectories or (task.num_trajectories if task else len(loaded.episodes))
    every = job.subsample or (task.subsample if task else 1)
    chosen = loaded.choose(count, job.seed)
    pairs = chosen.subsample(every, job.seed, spec)
    return _Given(spec, chosen, pairs, every, experts.reference(job.task, loaded, EVALUATION_SEED))


def imitate(job: Imitation) -> list[dict[str, Any]]:
    """Train, score the final policy in both modes, export it, and write the result rows.

    The run directory gets config.json, progress.csv, curve.png (not for bc), policy.npz,
    saved_model/, results.csv and, last, final.json.

    Raises:
        BadInput: the demonstrations, the environment or the directory will not do.
    """
    given = _prepare(job)
    config = dataclasses.asdict(job.config)
    run = results.Run(
        job.out,
        {
            "algorithm": job.algorithm,
            "task": job.task,
            "variant": job.variant,
            "seed": job.seed,
            "num_trajectories": len(given.demonstrations.episodes),
            "subsample": given.subsample,
            "demos_sha256": given.demonstrations.sha256,
            "config": config,
        },
    )
    train = {"bc": _train_bc, "mgail": _train_mgail}[job.algorithm]
    env_steps, actor = train(job, given, run)
    seconds = run.seconds
    scores = [
        evaluate(job.task, actor, job.episodes, EVALUATION_SEED, mode)
        for mode in ("deterministic", "stochastic")
    ]
    if job.algorithm != "bc":
        levels = {
            "expert as sampled": given.reference.expert,
            "random": given.reference.random,
        }
        title = f"{job.algorithm.upper()} on {given.spec.env_id}, {len(given.pairs.states)} pairs"
        results.plot_curve(run.path / "progress.csv", run.path / "curve.png", title, levels)
    return _write(job, given, run, actor, scores, env_steps, seconds)


def _train_bc(job: Imitation, given: _Given, run: results.Run) -> tuple[int, NumpyPolicy]:
    learner = bc.BC(given.spec, job.config, given.pairs, job.seed)
    with tqdm(total=job.config.max_epochs, unit="epoch", desc=f"bc {job.task}") as bar:
        for epoch, metrics in learner.train():
            run.progress({"epoch": epoch, **metrics})
            bar.set_postfix(held_out=f"{metrics['held_out_loss']:.3f}", refresh=False)
            bar.update(epoch - bar.n)
    return 0, learner.actor()


def _train_mgail(job: Imitation, given: _Given, run: results.Run) -> tuple[int, NumpyPolicy]:
    config = job.config
    due = config.env_steps / 10
    with tqdm(total=config.env_steps, unit="step", desc=f"mgail {job.task}") as bar:
        for steps, learner, metrics in mgail.train(job.task, given.pairs, config, job.seed):
            score = math.nan
            if steps >= due:
                due += config.env_steps / 10
                score = evaluate(
                    job.task, learner.final_actor(), 5, EVALUATION_SEED + 1, "deterministic"
                ).return_mean
            run.progress({"env_steps": steps, **metrics, "evaluation": score})
            bar.set_postfix(
                ret=f"{metrics['return']:.0f}",
                d_acc=f"{metrics['discriminator_accuracy']:.2f}",
                model=f"{metrics['model_error']:.3f}",
                refresh=False,
            )
            bar.update(steps - bar.n)
    return steps, learner.final_actor()


def _write(
    job: Imitation,
    given: _Given,
    run: results.Run,
    actor: NumpyPolicy,
    scores: list[Score],
    env_steps: int,
    seconds: float,
) -> list[dict[str, Any]]:
    """Write the policy, its SavedModel, the result rows and final.json; return the rows."""
    actor.save(run.path / "policy.npz", given.spec)
    random, expert = given.reference
    shared = {
        "task": job.task,
        "env_id": given.spec.env_id,
        "algorithm": job.algorithm,
        "variant": job.variant,
        "num_trajectories": len(given.demonstrations.episodes),
        "subsample": given.subsample,
        "seed": job.seed,
        "env_steps": env_steps,
    }
    origin = {
        "wall_seconds": round(seconds, 1),
        "demos_sha256": given.demonstrations.sha256,
        "config_sha256": results.config_sha256(dataclasses.asdict(job.config)),
        "commit": results.commit(),
        "versions": results.versions(),
    }
    rows = [
        {
            **shared,
            **_rounded(score),
            "normalised": round(normalised(score.return_mean, random, expert), 4),
            **origin,
        }
        for score in scores
    ]
    metadata = {
        "algorithm": job.algorithm,
        "seed": job.seed,
        "env_steps": env_steps,
        "versions": origin["versions"],
        "scores": {row["mode"]: row["return_mean"] for row in rows},
        "expert_return": expert,
        "random_return": random,
    }
    export.save(run.path / "saved_model", actor, given.spec, metadata)
    for row in rows:
        results.append_row(job.results_path or run.path / "results.csv", row)
    run.finish({"rows": rows, **metadata})
    return rows


def _rounded(score: Score) -> dict[str, Any]:
    return {
        "mode": score.mode,
        "episodes": score.episodes,
        "return_mean": round(float(score.return_mean), 2),
        "return_std_over_episodes": round(float(score.return_std_over_episodes), 2),
        "length_mean": round(float(score.length_mean), 1),
    }


class ExpertTraining(NamedTuple):
    """One run of TRPO on the environment's own reward."""

    task: str
    config: Any
    seed: int
    out: Path
    episodes: int = 50
    results_path: Path | None = None  # None: results.csv in `out`
    overrides: tuple[str, ...] = ()


def train_expert(job: ExpertTraining) -> list[dict[str, Any]]:
    """Train by TRPO, score in both modes, and write weights, learning curve and result rows.

    Raises:
        BadInput: the environment or the directory will not do.
    """
    spec = envs.make(job.task, job.seed).spec
    config = dataclasses.asdict(job.config)
    described = {"algorithm": "trpo", "task": job.task, "seed": job.seed, "config": config}
    run = results.Run(job.out, described)
    weights = run.path / "policy.npz"
    with tqdm(total=job.config.env_steps, unit="step", desc=f"trpo {job.task}") as bar:
        for steps, learner, metrics in trpo.train(job.task, job.config, job.seed):
            run.progress({"env_steps": steps, **metrics})
            learner.actor().save(weights, spec)
            bar.set_postfix(
                ret=f"{metrics['return']:.0f}", kl=f"{metrics['kl']:.4f}", refresh=False
            )
            bar.update(steps - bar.n)
    seconds = run.seconds
    random = evaluate_random(job.task, job.episodes, EVALUATION_SEED)
    scores = [
        evaluate(job.task, learner.actor(), job.episodes, EVALUATION_SEED, mode)
        for mode in ("deterministic", "stochastic")
    ]
    levels = {f"{score.mode} expert": score.return_mean for score in scores}
    title = f"TRPO on {spec.env_id}"
    results.plot_curve(run.path / "progress.csv", run.path / "curve.png", title, levels)
    overrides = "".join(f" --set {text}" for text in job.overrides)
    command = f"python launch/train_expert.py --task={job.task} --seed={job.seed}{overrides}"
    rows = [
        {
            "task": job.task,
            "env_id": spec.env_id,
            "env_steps": steps,
            **_rounded(score),
            "random_return_mean": round(random, 2),
            "wall_seconds": round(seconds, 1),
            "weights_sha256": actors.sha256(weights),
            "commit": results.commit(),
            "versions": results.versions(),
            "seed": job.seed,
            "command": command,
            "algorithm": "expert",
            "normalised": round(normalised(score.return_mean, random, scores[1].return_mean), 4),
        }
        for score in scores
    ]
    for row in rows:
        results.append_row(job.results_path or run.path / "results.csv", row)
    run.finish({"rows": rows})
    return rows
