"""The driver of every algorithm: train, evaluate on the way, save, score, export, write down.

Agents call it in `learn`, so that scripts and Python do the same.
"""

import dataclasses
import math
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, TypedDict

from tqdm import tqdm

from mgail_tf.config.tasks import budget, task_of
from mgail_tf.data.demonstrations import Demonstrations
from mgail_tf.envs.evaluation import (
    EVALUATION_SEED,
    MODES,
    evaluate,
    evaluate_random,
    normalised,
)
from mgail_tf.envs.gym_env import EnvLike, copy_of
from mgail_tf.policies import experts
from mgail_tf.policies.numpy_policy import NumpyPolicy, sha256
from mgail_tf.reporting.plots import plot_run
from mgail_tf.training import provenance, run_directory
from mgail_tf.types import Episode, Spec

EVALUATIONS = 10  # on the way
EVALUATION_EPISODES = 5  # of each of them
_IN_BAR = {"ret": "return", "d_acc": "discriminator_accuracy", "model": "model_error", "kl": "kl"}


class Learner(run_directory.Saved, Protocol):
    """What the driver needs of an algorithm."""

    algorithm: str
    unit: str  # what `iterate` counts: "env_steps" or "epoch"
    env: EnvLike
    spec: Spec
    config: Any
    seed: int
    finished_policy: NumpyPolicy | None  # of the finished run that `learn` found

    @property
    def diagnostic_columns(self) -> tuple[str, ...]:
        """Columns that `diagnose` adds to progress.csv."""
        ...

    @property
    def demonstrations(self) -> Demonstrations | None:
        """None: it learns from the environment's reward."""
        ...

    @property
    def policy(self) -> NumpyPolicy:
        """The policy that is scored."""
        ...

    def iterate(self, total: int, /) -> Iterator[tuple[int, dict[str, float]]]:
        """Train, and yield (steps or epochs so far, metrics) after every update."""
        ...

    def diagnose(self, episodes: list[Episode]) -> dict[str, float]:
        """Return `diagnostic_columns` of the networks on evaluation episodes."""
        ...


class Options(TypedDict, total=False):
    """Further arguments of an agent's `learn`, see `learn` below."""

    resume: bool
    episodes: int
    checkpoint_every: float
    keep_checkpoint: bool
    label: str
    progress: bool


def learn(
    agent: Learner,
    total: int | None,
    run_dir: str | Path | None = None,
    *,
    resume: bool = False,
    episodes: int = 50,
    checkpoint_every: float = 60.0,
    keep_checkpoint: bool = False,
    label: str = "default",
    progress: bool = False,
) -> None:
    """Train an agent; with a run directory also evaluate, save, score and export it.

    Args:
        total: environment steps of the whole run (of cloning: epochs, at most). None: the budget
            of the task that the environment is, or the algorithm's default.
        run_dir: an empty or absent folder, see `training.run_directory`; None: no file is written.
        resume: go on where the run in the folder was stopped, or begin it if there is none. Of a
            finished run the final policy is read.
        episodes: evaluation episodes of the final policy, in each mode.
        checkpoint_every: seconds between checkpoints.
        keep_checkpoint: keep the last one when the run is finished, so that `resume` with a larger
            total goes on from it.
        label: names the settings in result rows (column `variant`).
        progress: show a progress bar.

    Raises:
        BadInput: the folder holds something else, the budget is too small, or the environment
            fails.
        Diverged: a number of the training is not finite.
        KeyboardInterrupt: Ctrl-C was pressed; the run was saved before.
    """
    task = task_of(agent.spec)
    total = budget(agent.algorithm, task) if total is None else total
    if agent.unit == "env_steps":
        agent.config.check_budget(total)
    if run_dir is None:
        with _progress_bar(agent, total, 0, progress) as bar:
            for update, (count, metrics) in enumerate(agent.iterate(total), 1):
                run_directory.check_finite(metrics, update)
                _show(bar, count, metrics)
        return
    path = Path(run_dir)
    described = _described(agent, task, total, label)
    if resume and run_directory.finished(path, described, keep_checkpoint):
        agent.finished_policy = NumpyPolicy.load(path / "policy.npz", agent.spec)
        return
    with run_directory.Run(
        path, described, resume, checkpoint_every, agent.diagnostic_columns
    ) as run:
        now, evaluation_steps = 0, 0.0
        if run.saved:
            now, evaluation_steps = run.restore(agent, "now", "evaluation_steps")
        on_the_way = _Evaluations(agent, total)
        with _progress_bar(agent, total, now, progress) as bar:
            for count, metrics in agent.iterate(total):
                before, now = now, count
                evaluated, steps = on_the_way.after(before, now)
                evaluation_steps += steps
                run.progress({agent.unit: now, **metrics, **evaluated})
                _show(bar, now, metrics)
                run.checkpoint(now, agent, now=now, evaluation_steps=evaluation_steps)
        if keep_checkpoint:
            run.checkpoint(now, agent, due=True, now=now, evaluation_steps=evaluation_steps)
        run.trained()
        _finish(agent, run, described, now, evaluation_steps, episodes, keep_checkpoint)


class _Evaluations:
    """Evaluations on the way, after every tenth of the budget of environment steps."""

    def __init__(self, agent: Learner, total: int):
        self._agent, self._total = agent, total
        steps_environment = agent.unit == "env_steps"
        self._columns = ("evaluation", *agent.diagnostic_columns) if steps_environment else ()
        self._env = copy_of(agent.env) if steps_environment else None
        if steps_environment and self._env is None:
            expected = "give a function that makes it, for evaluations on the way"
            warnings.warn(f"{agent.spec.env_id}: cannot be copied; {expected}", stacklevel=3)

    def after(self, before: int, now: int) -> tuple[dict[str, float], float]:
        """Return columns of progress.csv, NaN unless a tenth is over, and the steps they took."""
        found = dict.fromkeys(self._columns, math.nan)
        due = EVALUATIONS * now // self._total > EVALUATIONS * before // self._total
        if self._env is None or not due:
            return found, 0.0
        seen: list[Episode] = []
        score = evaluate(
            self._agent.policy,
            self._env,
            EVALUATION_EPISODES,
            EVALUATION_SEED + 1,
            seen=seen.append,
        )
        found |= {"evaluation": score.return_mean, **self._agent.diagnose(seen)}
        return found, EVALUATION_EPISODES * score.length_mean


def _show(bar: Any, count: int, metrics: dict[str, float]) -> None:
    """Move the progress bar to a count of steps or epochs."""
    named = {k: metrics[name] for k, name in _IN_BAR.items() if name in metrics}
    bar.set_postfix({k: f"{x:.4g}" for k, x in named.items()}, refresh=False)
    bar.update(count - bar.n)


def _progress_bar(agent: Learner, total: int, now: int, shown: bool) -> Any:
    name, unit = f"{agent.algorithm} {agent.spec.env_id}", f" {agent.unit}"
    return tqdm(total=total, initial=now, unit=unit, desc=name, disable=not shown)


def _described(agent: Learner, task: str, total: int, label: str) -> dict[str, Any]:
    """Return config.json: everything that decides how the run ends."""
    given = agent.demonstrations
    demonstrations: dict[str, Any] = {}
    if given is not None:
        demonstrations = {"num_trajectories": len(given), "subsample": given.every}
        demonstrations["demos_sha256"] = given.sha256
    return {
        "algorithm": agent.algorithm,
        "task": task,
        "variant": label,
        "seed": agent.seed,
        **({"env_kwargs": agent.spec.env_kwargs} if agent.spec.env_kwargs else {}),
        **({"env_steps": total} if agent.unit == "env_steps" else {}),
        **demonstrations,
        "config": dataclasses.asdict(agent.config),
    }


def _finish(
    agent: Learner,
    run: run_directory.Run,
    described: dict[str, Any],
    count: int,
    evaluation_steps: float,
    episodes: int,
    keep_checkpoint: bool,
) -> None:
    """Score the final policy in both modes; write it, its SavedModel, its rows and its picture."""
    seconds, policy, task = run.seconds, agent.policy, described["task"]
    steps = count if agent.unit == "env_steps" else 0
    scores = [evaluate(policy, agent.env, episodes, EVALUATION_SEED, mode) for mode in MODES]
    weights = run.path / "policy.npz"
    policy.save(weights)
    row = {
        "task": task,
        "env_id": agent.spec.env_id,
        "algorithm": agent.algorithm,
        "variant": described["variant"],
        "seed": agent.seed,
        "env_steps": steps,
        "wall_seconds": round(seconds, 1),
        "config_sha256": provenance.config_sha256(described["config"]),
        "weights_sha256": sha256(weights),
        "commit": provenance.commit(),
        "versions": provenance.versions(),
        "command": provenance.command(),
        "prefill_steps": min(steps, getattr(agent.config, "prefill_steps", 0)),
        "evaluation_steps": round(evaluation_steps),
    }
    if agent.demonstrations is None:
        chance = evaluate_random(agent.env, episodes, EVALUATION_SEED)
        reference = experts.Reference(chance, scores[-1].return_mean)
    else:
        names = ("num_trajectories", "subsample", "demos_sha256")
        row |= {name: described[name] for name in names}
        reference = experts.reference(task, agent.env, agent.demonstrations, EVALUATION_SEED)
    rows = [
        {
            **row,
            **score.rounded(),
            "random_return_mean": round(reference.random, 2),
            "normalised": round(normalised(score.return_mean, *reference), 4),
        }
        for score in scores
    ]
    summary = {
        "algorithm": agent.algorithm,
        "seed": agent.seed,
        "env_steps": steps,
        "versions": row["versions"],
        "scores": {score.mode: round(score.return_mean, 2) for score in scores},
        "expert_return": reference.expert,
        "random_return": reference.random,
    }
    shutil.rmtree(run.path / "saved_model", ignore_errors=True)  # of a run that was killed here
    policy.export(run.path / "saved_model", summary)
    if agent.unit == "env_steps":
        known = reference == experts.committed_reference(task) or agent.demonstrations is None
        shown = "expert as sampled" if known else "demonstrations"
        levels = {shown: reference.expert, "random": reference.random}
        title = f"{agent.algorithm.upper()} on {agent.spec.env_id}, seed {agent.seed}"
        plot_run(run.path / "progress.csv", run.path / "curve.png", title, levels)
    run.finish({"rows": rows, **summary}, keep_checkpoint)
