"""Training an expert by TRPO: the job of `launch/train_expert.py`."""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from mgail_tf import actor, envs, results
from mgail_tf.agents import trpo
from mgail_tf.evaluation import EVALUATION_SEED, evaluate, evaluate_random, normalised


class ExpertTraining(NamedTuple):
    """One run of TRPO on the environment's own reward."""

    task: str
    config: Any
    seed: int
    out: Path
    episodes: int = 50
    results_path: Path | None = None  # None: results.csv in `out`
    overrides: tuple[str, ...] = ()


def train(job: ExpertTraining) -> list[dict[str, Any]]:
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
            **score.rounded(),
            "random_return_mean": round(random, 2),
            "wall_seconds": round(seconds, 1),
            "weights_sha256": actor.sha256(weights),
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
