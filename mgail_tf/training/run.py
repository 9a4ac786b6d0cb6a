"""The driver of every algorithm: train, evaluate on the way, save, score, export, write down.

Agents call it in `learn`, so that scripts and Python do the same.
"""

import dataclasses
import math
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from mgail_tf.config.tasks import TASKS, budget, task_of
from mgail_tf.data.demonstrations import Demonstrations, fitting
from mgail_tf.envs.evaluation import EVALUATION_SEED, evaluate
from mgail_tf.envs.gym_env import close, copy_of
from mgail_tf.errors import BadInput, whole
from mgail_tf.policies.composed import load_policy
from mgail_tf.policies.match import compare
from mgail_tf.policies.numpy_policy import NumpyPolicy
from mgail_tf.training import provenance, results, run_directory
from mgail_tf.training.progress import Progress
from mgail_tf.training.protocols import Asking, Trainable
from mgail_tf.training.results import Choice, Keep
from mgail_tf.types import Episode

EVALUATIONS = 10  # on the way
EVALUATION_EPISODES = 5  # of each of them
_MATCH_COLUMNS = ("match_distance", "match_accuracy")


class Options(TypedDict, total=False):
    """Further arguments of an agent's `learn`, see `learn` below."""

    resume: bool
    episodes: int
    checkpoint_every: float
    keep_checkpoint: bool
    label: str
    progress: bool
    held_out: Demonstrations | None
    keep: Keep
    candidates: Mapping[str, NumpyPolicy]
    started_from: Mapping[str, Any] | None


def learn(
    agent: Trainable,
    total: int | None,
    run_dir: str | Path | None = None,
    *,
    resume: bool = False,
    episodes: int = 50,
    checkpoint_every: float = 60.0,
    keep_checkpoint: bool = False,
    label: str = "default",
    progress: bool = False,
    held_out: Demonstrations | None = None,
    keep: Keep = "final",
    candidates: Mapping[str, NumpyPolicy] | None = None,
    started_from: Mapping[str, Any] | None = None,
) -> None:
    """Train an agent; with a run directory also evaluate, save, score and export it.

    Args:
        total: environment steps of the whole run (of cloning epochs, at most; of what asks an
            expert queries). None: the budget of the task that the environment is, or the
            algorithm's default.
        run_dir: an empty or absent folder, see `training.run_directory`; None: no file is written,
            nothing is scored, and `resume`, `keep_checkpoint` and `held_out` are refused.
        resume: go on where the run in the folder was stopped, or begin it if there is none. Of a
            finished run the final policy is read.
        episodes: evaluation episodes of the final policy, in each mode.
        checkpoint_every: seconds between checkpoints.
        keep_checkpoint: keep the last one when the run is finished, so that `resume` with a larger
            total goes on from it.
        label: names the settings in result rows (column `variant`).
        progress: say on standard error how far it is.
        held_out: demonstrations that the agent was not given: how well it matches them is measured
            on the way (columns `match_distance` and `match_accuracy`) and at the end.
        keep: which policy the run ends with: the final one, or of that one, those of the
            evaluations on the way and `candidates` the one whose behaviour matches demonstrations
            best (`policies.match`; held-out ones, if there are three episodes of them). No reward
            is looked at. The label gets "+best_match": no table takes it for a final policy.
        candidates: further policies by name, a cloned one for example.
        started_from: what the agent learnt before, if it was restored from another run: the
            config.json of that one. It becomes an entry of this one's.

    Raises:
        BadInput: the folder holds something else, the budget is too small, there are no evaluation
            episodes, `keep` is unknown or there is nothing to match, or the environment fails.
        Diverged: a number of the training is not finite.
        KeyboardInterrupt: Ctrl-C was pressed; the run was saved before.
    """
    if not isinstance(run_dir, str | os.PathLike | None):
        raise BadInput(f"run_dir: found {run_dir!r}, expected a path")
    task = task_of(agent.spec)
    total = budget(agent.algorithm, task) if total is None else whole(agent.unit, total)
    if agent.unit == "env_steps":
        agent.config.check_budget(total)
    if held_out is not None:
        held_out = fitting(held_out, agent.spec)
    choice = Choice(keep, held_out, dict(candidates or {}), episodes)
    _check_choice(agent, choice, run_dir)
    _warn(agent, held_out)
    agent.finished_policy = None  # of a run that was read before
    name = f"{agent.algorithm} {agent.spec.env_id}"
    if run_dir is None:
        needing = {"resume": resume, "keep_checkpoint": keep_checkpoint, "held_out": held_out}
        if given := [option for option, value in needing.items() if value]:
            raise BadInput(f"{given[0]}: found no run_dir, expected one with it")
        _learn_without_folder(agent, total, Progress(name, agent.unit, total, 0, progress))
        return
    path = Path(run_dir)
    described = _described(agent, task, total, label, choice)
    described |= {"started_from": dict(started_from)} if started_from else {}
    if resume and run_directory.finished(path, described):
        agent.finished_policy = load_policy(path / "policy.npz", agent.spec)
        return
    on_the_way = _Evaluations(agent, total, path / "policies", held_out)
    with run_directory.Run(path, described, resume, checkpoint_every, on_the_way.may_be_nan) as run:
        now, evaluation_steps = 0, 0.0
        if run.saved:
            now, evaluation_steps = run.restore(agent, "now", "evaluation_steps")
        shown = Progress(name, agent.unit, total, now, progress)
        _introduce(agent, shown)
        try:
            for count, metrics in agent.iterate(total):
                before, now = now, count
                evaluated, steps = on_the_way.after(before, now)
                evaluation_steps += steps
                run.progress({agent.unit: now, **metrics, **evaluated})
                shown.update(now, metrics)
                run.checkpoint(now, agent, now=now, evaluation_steps=evaluation_steps)
        except KeyboardInterrupt:
            if now:
                agent.policy.save_whole(path / "policy.npz")
            raise
        finally:
            on_the_way.close()
            shown.close()
        if keep_checkpoint:
            run.checkpoint(now, agent, due=True, now=now, evaluation_steps=evaluation_steps)
        run.trained()
        shown.say(f"{name}: trained; scoring {episodes} episodes in each mode ...")
        results.finish(agent, run, described, choice, now, evaluation_steps, keep_checkpoint)


def _check_choice(agent: Trainable, choice: Choice, run_dir: object) -> None:
    """Refuse to keep a policy by a match where there is none, and scores of no episode."""
    if choice.keep not in ("final", "best_match"):
        raise BadInput(f"keep: found {choice.keep!r}, expected 'final' or 'best_match'")
    if choice.keep == "best_match" and (agent.demonstrations is None or run_dir is None):
        raise BadInput("keep: found 'best_match', expected demonstrations and a run directory")
    if whole("episodes", choice.episodes) < 1:
        raise BadInput(f"episodes: found {choice.episodes}, expected at least 1")


def _warn(agent: Trainable, held_out: Demonstrations | None) -> None:
    """Say what will do, and is not what its user is likely to want."""
    learnt = agent.demonstrations
    if held_out is not None and learnt is not None and (both := held_out.common(learnt)):
        found = f"held_out: {both} of its {len(held_out)} episodes are learnt from"
        warnings.warn(found, stacklevel=4)
    if "NormalizeObservation" in agent.spec.wrappers:
        found = "NormalizeObservation: found a scale that changes from episode to episode, which"
        expected = "neither checkpoints nor policy files hold; expected TransformObservation"
        warnings.warn(f"{agent.spec.env_id}: {found} {expected}", stacklevel=4)


def _learn_without_folder(agent: Trainable, total: int, shown: Progress) -> None:
    """Train, and write nothing."""
    _introduce(agent, shown)
    for update, (count, metrics) in enumerate(agent.iterate(total), 1):
        run_directory.check_finite(metrics, update)
        shown.update(count, metrics)
    shown.close()


def _introduce(agent: Trainable, shown: Progress) -> None:
    """Say what is learnt from, and that the first update is being made."""
    if agent.demonstrations is not None:
        shown.say(agent.demonstrations.summary(agent.spec).short())
    shown.first()


class _Evaluations:
    """Evaluations on the way, after every tenth of the budget; cloning has none.

    Each one's policy is written too.
    """

    def __init__(self, agent: Trainable, total: int, folder: Path, held_out: Demonstrations | None):
        self._agent, self._total, self._folder, self._held_out = agent, total, folder, held_out
        steps_environment = agent.unit != "epoch"
        self.may_be_nan = (*agent.diagnostic_columns, *(_MATCH_COLUMNS if held_out else ()))
        self._columns = ("evaluation", *self.may_be_nan) if steps_environment else ()
        self._env = copy_of(agent.env) if steps_environment else None
        if steps_environment and self._env is None:
            expected = "give a function that makes it, for evaluations on the way"
            warnings.warn(f"{agent.spec.env_id}: cannot be copied; {expected}", stacklevel=3)

    def close(self) -> None:
        """Close the environment, if it is a copy."""
        if self._env is not self._agent.env:
            close(self._env)

    def after(self, before: int, now: int) -> tuple[dict[str, float], float]:
        """Return columns of progress.csv, NaN unless a tenth is over, and the steps they took."""
        found = dict.fromkeys(self._columns, math.nan)
        due = EVALUATIONS * now // self._total > EVALUATIONS * before // self._total
        if not self._columns or not due:
            return found, 0.0
        self._folder.mkdir(exist_ok=True)
        self._agent.policy.save_whole(self._folder / f"step_{now}.npz")
        if self._env is None:
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
        if self._held_out is not None:
            measured = compare(seen, self._held_out, self._agent.spec)
            values = measured.distance, measured.classifier_accuracy
            found |= dict(zip(_MATCH_COLUMNS, values, strict=True))
        return found, EVALUATION_EPISODES * score.length_mean


def _described(
    agent: Trainable, task: str, total: int, label: str, choice: Choice
) -> dict[str, Any]:
    """Return config.json: everything that decides how the run ends."""
    given = agent.demonstrations
    demonstrations: dict[str, Any] = {}
    if given is not None:
        demonstrations = {"num_trajectories": len(given), "subsample": given.every}
        demonstrations["demos_sha256"] = given.sha256
        pairs = given.pairs(agent.spec)
        demonstrations["pairs_sha256"] = provenance.arrays_sha256(pairs.states, pairs.actions)
    if choice.held_out is not None:
        held_out = provenance.arrays_sha256(choice.held_out.states)
        demonstrations["held_out_sha256"] = held_out
    return {
        "algorithm": agent.algorithm,
        "task": task,
        "variant": label if choice.keep == "final" else f"{label}+{choice.keep}",
        "seed": agent.seed,
        **({"max_steps": agent.spec.max_steps} if task not in TASKS else {}),
        **({"wrappers": list(agent.spec.wrappers)} if agent.spec.wrappers else {}),
        **({"env_kwargs": agent.spec.env_kwargs} if agent.spec.env_kwargs else {}),
        **({agent.unit: total} if agent.unit != "epoch" else {}),
        **({"expert": agent.visits.expert.fingerprint} if isinstance(agent, Asking) else {}),
        **demonstrations,
        "config": dataclasses.asdict(agent.config),
    }
