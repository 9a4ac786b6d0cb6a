"""Training an expert by TRPO: the job of `launch/train_expert.py`."""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import keras
from tqdm import tqdm

from mgail_tf import actor, envs, figures, results, tables
from mgail_tf.actor import NumpyPolicy
from mgail_tf.agents import trpo
from mgail_tf.evaluation import EVALUATION_SEED, evaluate, evaluate_random, normalised
from mgail_tf.tensorboard import Summaries
from mgail_tf.types import Spec


class ExpertTraining(NamedTuple):
    """One run of TRPO on the environment's own reward."""

    task: str
    config: Any
    seed: int
    out: Path
    episodes: int = 50
    results_path: Path | None = None  # None: results.csv in `out`
    overrides: tuple[str, ...] = ()
    resume: bool = False  # go on where the run in `out` was stopped
    checkpoint_every: float = 60.0  # seconds
    workers: int = 1  # processes that step the environments


def train(job: ExpertTraining) -> list[dict[str, Any]]:
    """Train by TRPO, score in both modes, and write weights, learning curve and result rows.

    Raises:
        BadInput: the environment or the directory will not do.
    """
    keras.utils.clear_session()  # the same bits whatever ran in this process before
    spec = envs.make(job.task, job.seed).spec
    if job.results_path:
        tables.check_table(job.results_path, tables.EXPERT_COLUMNS)
    config = dataclasses.asdict(job.config)
    described = {"algorithm": "trpo", "task": job.task, "seed": job.seed, "config": config}
    with results.Run(job.out, described, job.resume, job.checkpoint_every) as run:
        weights = run.path / "policy.npz"
        training, steps = trpo.train(job.task, job.config, job.seed, job.workers), 0
        if run.saved:
            run.restore(training)
            steps = run.saved["steps"]
        total, name = job.config.env_steps, f"trpo {job.task}"
        summaries = Summaries(run.path / "tensorboard")
        with tqdm(total=total, initial=steps, unit="step", desc=name) as bar:
            for steps, learner, metrics in training:
                run.progress({"env_steps": steps, **metrics})
                summaries.add(steps, metrics)
                learner.actor().save(weights, spec)
                bar.set_postfix(
                    ret=f"{metrics['return']:.0f}", kl=f"{metrics['kl']:.4f}", refresh=False
                )
                bar.update(steps - bar.n)
                run.checkpoint(steps, training, steps=steps)
        summaries.close()
        run.trained()
        return _score(job, spec, run, training.learner.actor(), steps)


def _score(
    job: ExpertTraining, spec: Spec, run: results.Run, policy: NumpyPolicy, steps: int
) -> list[dict[str, Any]]:
    """Score the expert in both modes; write its learning curve and its result rows."""
    weights = run.path / "policy.npz"
    policy.save(weights, spec)
    seconds = run.seconds
    random = evaluate_random(job.task, job.episodes, EVALUATION_SEED)
    scores = [
        evaluate(job.task, policy, job.episodes, EVALUATION_SEED, mode)
        for mode in ("deterministic", "stochastic")
    ]
    levels = {f"{score.mode} expert": score.return_mean for score in scores}
    title = f"TRPO on {spec.env_id}"
    figures.plot_run(run.path / "progress.csv", run.path / "curve.png", title, levels)
    overrides = "".join(f" --set {text}" for text in job.overrides)
    command = f"python launch/train_expert.py --task={job.task} --seed={job.seed}{overrides}"
    rows = [
        {
            "task": job.task,
            "env_id": spec.env_id,
            "env_steps": steps,
            **score.rounded(),
            "random_return_mean": round(random, 2),
            "wall_seconds": round(seconds, 1),
            "weights_sha256": actor.sha256(weights),
            "commit": tables.commit(),
            "versions": tables.versions(),
            "seed": job.seed,
            "command": command,
            "algorithm": "expert",
            "normalised": round(normalised(score.return_mean, random, scores[1].return_mean), 4),
        }
        for score in scores
    ]
    run.finish({"rows": rows}, rows, job.results_path or run.path / "results.csv")
    return rows
