"""What the launch scripts run: one training run, from its inputs to a scored, exported policy."""

import dataclasses
import functools
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
from tqdm import tqdm

from mgail_tf import demos, envs, experts, export, figures, held_out, results, tables
from mgail_tf.absorbing import ends_of
from mgail_tf.actor import NumpyPolicy
from mgail_tf.agents import bc, gail, mgail
from mgail_tf.evaluation import EVALUATION_SEED, Score, evaluate, normalised
from mgail_tf.tasks import TASKS
from mgail_tf.tensorboard import Summaries
from mgail_tf.types import BadInput, Episode, Pairs, Spec


class Imitation(NamedTuple):
    """One run of an imitator: what it learns from, with what settings, and where to."""

    algorithm: str  # bc, gail or mgail
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
    resume: bool = False  # go on where the run in `out` was stopped
    checkpoint_every: float = 60.0  # seconds
    workers: int = 1  # processes that step the environments


class Given(NamedTuple):
    """What an imitator gets, and what its score is measured by."""

    spec: Spec
    demonstrations: demos.Demonstrations
    pairs: Pairs
    subsample: int
    reference: experts.Reference


def prepare(job: Imitation) -> Given:
    """Load and choose the demonstrations of a run.

    Raises:
        BadInput: they or the environment will not do.
    """
    spec = envs.make(job.task, job.seed).spec
    size = getattr(job.config, "state_components", 0)
    if size > spec.state_size:
        expected = f"at most {spec.state_size} of {spec.env_id}"
        raise BadInput(f"--set state_components={size}: found {size}, expected {expected}")
    task = TASKS.get(job.task)
    path = job.demos_path
    if path is None:
        pool = task.pool if task else 1
        path = experts.cached_demonstrations(job.task, spec, pool, 0, job.cache)
    loaded = demos.load(path, spec)
    committed = None if job.demos_path else experts.committed_reference(job.task)
    count = job.num_trajectories or (task.num_trajectories if task else len(loaded.episodes))
    every = job.subsample or (task.subsample if task else 1)
    chosen = loaded.choose(count, job.seed)
    pairs = chosen.subsample(every, job.seed, spec)
    reference = committed or experts.reference(job.task, loaded, EVALUATION_SEED)
    return Given(spec, chosen, pairs, every, reference)


def _described(job: Imitation, given: Given) -> dict[str, Any]:
    return {
        "algorithm": job.algorithm,
        "task": job.task,
        "variant": job.variant,
        "seed": job.seed,
        "num_trajectories": len(given.demonstrations.episodes),
        "subsample": given.subsample,
        "demos_sha256": given.demonstrations.sha256,
        "config": dataclasses.asdict(job.config),
    }


def imitate(job: Imitation) -> list[dict[str, Any]]:
    """Train, score the final policy in both modes, export it, and write the result rows.

    The run directory gets config.json, progress.csv, curve.png (not for bc), policy.npz,
    saved_model/, results.csv and, last, final.json.

    Raises:
        BadInput: the demonstrations, the environment or the directory will not do.
    """
    keras.utils.clear_session()  # the same bits whatever ran in this process before
    if not job.resume:
        results.check_free(job.out)  # before the demonstrations take their time
    if job.results_path:
        tables.check_table(job.results_path, tables.RUN_COLUMNS)
        tables.check_table(tables.curves_of(job.results_path), tables.CURVE_COLUMNS)
    given = prepare(job)
    with results.Run(job.out, _described(job, given), job.resume, job.checkpoint_every) as run:
        train = _train_bc if job.algorithm == "bc" else _train_online
        actor, steps = train(job, given, run)
        run.trained()
        seconds = run.seconds
        scores = [
            evaluate(job.task, actor, job.episodes, EVALUATION_SEED, mode)
            for mode in ("deterministic", "stochastic")
        ]
        if job.algorithm != "bc":
            random, expert = given.reference
            levels = {"expert as sampled": expert, "random": random}
            count = len(given.pairs.states)
            title = f"{job.algorithm.upper()} on {given.spec.env_id}, {count} pairs"
            figures.plot_run(run.path / "progress.csv", run.path / "curve.png", title, levels)
        return _write(job, given, run, actor, scores, steps, seconds)


def imitate_once(job: Imitation) -> list[dict[str, Any]]:
    """Return the rows of this very run if it is finished in `out`, or go on with it."""
    final = job.out / "final.json"
    if final.exists():
        ours = json.loads(json.dumps(_described(job, prepare(job))))
        if ours == json.loads((job.out / "config.json").read_text()):
            return json.loads(final.read_text())["rows"]
    return imitate(job._replace(resume=True))


class _Steps(NamedTuple):
    """Environment steps by purpose."""

    training: int  # prefill included
    prefill: int
    evaluation: int  # while training; the final 50 episodes a mode are not counted


def _train_bc(job: Imitation, given: Given, run: results.Run) -> tuple[NumpyPolicy, _Steps]:
    learner = bc.BC(given.spec, job.config, given.pairs, job.seed)
    if run.saved:
        run.restore(learner)
    summaries = Summaries(run.path / "tensorboard")
    with tqdm(total=job.config.max_epochs, unit="epoch", desc=f"bc {job.task}") as bar:
        for epoch, metrics in learner.train():
            run.progress({"epoch": epoch, **metrics})
            summaries.add(epoch, metrics)
            bar.set_postfix(held_out=f"{metrics['held_out_loss']:.3f}", refresh=False)
            bar.update(epoch - bar.n)
            run.checkpoint(epoch, learner)
    summaries.close()
    return learner.actor(), _Steps(0, 0, 0)


def _tenths(steps: int, budget: int) -> int:
    """Return how many tenths of the budget are over; after each the policy is evaluated."""
    return 10 * steps // budget


def _train_online(job: Imitation, given: Given, run: results.Run) -> tuple[NumpyPolicy, _Steps]:
    config = job.config
    train: Callable[..., Any] = functools.partial(gail.train, workers=job.workers)
    if job.algorithm == "mgail":
        train = functools.partial(mgail.train, ends=ends_of(given.demonstrations.episodes))
    shown = {"ret": "return", "d_acc": "discriminator_accuracy", "model": "model_error", "kl": "kl"}
    training = train(job.task, given.pairs, config, job.seed)
    evaluated, steps = 0.0, 0  # steps that evaluations took, and of the training
    if run.saved:
        *_, evaluated, steps = run.saved["counters"]
        run.restore(training)
    blank = ("evaluation", *(results.HELD_OUT if job.algorithm == "mgail" else ()))
    total, name = config.env_steps, f"{job.algorithm} {job.task}"
    summaries = Summaries(run.path / "tensorboard")
    with tqdm(total=total, initial=steps, unit="step", desc=name) as bar:
        for now, learner, metrics in training:
            metrics |= dict.fromkeys(blank, math.nan)
            before, steps = steps, now
            if _tenths(steps, total) > _tenths(before, total):
                actor, episodes = learner.final_actor(), list[Episode]()
                seed, seen = EVALUATION_SEED + 1, episodes.append
                score = evaluate(job.task, actor, 5, seed, mode="deterministic", seen=seen)
                metrics["evaluation"] = score.return_mean
                evaluated += 5 * score.length_mean
                if job.algorithm == "mgail":
                    metrics |= held_out.measure(learner, episodes, given.pairs)
            run.progress({"env_steps": steps, **metrics})
            summaries.add(steps, metrics)
            postfix = {k: f"{metrics[name]:.4g}" for k, name in shown.items() if name in metrics}
            bar.set_postfix(postfix, refresh=False)
            bar.update(steps - bar.n)
            run.checkpoint(steps, training, counters=[evaluated, steps])
    summaries.close()
    prefill = min(config.prefill_steps, config.env_steps) if job.algorithm == "mgail" else 0
    return training.learner.final_actor(), _Steps(steps, prefill, round(evaluated))


def _write(
    job: Imitation,
    given: Given,
    run: results.Run,
    actor: NumpyPolicy,
    scores: list[Score],
    steps: _Steps,
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
        "env_steps": steps.training,
    }
    origin = {
        "wall_seconds": round(seconds, 1),
        "demos_sha256": given.demonstrations.sha256,
        "config_sha256": tables.config_sha256(dataclasses.asdict(job.config)),
        "commit": tables.commit(),
        "versions": tables.versions(),
        "prefill_steps": steps.prefill,
        "evaluation_steps": steps.evaluation,
    }
    rows = [
        {
            **shared,
            **score.rounded(),
            "normalised": round(normalised(score.return_mean, random, expert), 4),
            **origin,
        }
        for score in scores
    ]
    metadata = {
        "algorithm": job.algorithm,
        "seed": job.seed,
        "env_steps": steps.training,
        "versions": origin["versions"],
        "scores": {row["mode"]: row["return_mean"] for row in rows},
        "expert_return": expert,
        "random_return": random,
    }
    shutil.rmtree(run.path / "saved_model", ignore_errors=True)  # of a run that was killed here
    export.save(run.path / "saved_model", actor, given.spec, metadata)
    table = job.results_path or run.path / "results.csv"
    if job.results_path and job.algorithm != "bc":
        names = ("task", "algorithm", "variant", "num_trajectories", "subsample", "seed")
        identity = {name: shared[name] for name in names}
        figures.keep_curve(run.path / "progress.csv", identity, tables.curves_of(table))
    run.finish({"rows": rows, **metadata}, rows, table)
    return rows
