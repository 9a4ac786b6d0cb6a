"""The driver of every algorithm: train, evaluate on the way, save, score, export, write down.

Agents call it in `learn`, so that scripts and Python do the same.
"""

import dataclasses
import math
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, TypedDict, runtime_checkable

from mgail_tf.config.tasks import TASKS, budget, task_of
from mgail_tf.data.demonstrations import Demonstrations, fitting
from mgail_tf.envs.evaluation import (
    EVALUATION_SEED,
    MODES,
    UniformPolicy,
    evaluate,
    evaluate_random,
    normalised,
)
from mgail_tf.envs.gym_env import EnvLike, close, copy_of
from mgail_tf.errors import BadInput, whole
from mgail_tf.policies import experts
from mgail_tf.policies.composed import AnyPolicy, load_policy
from mgail_tf.policies.match import compare, match
from mgail_tf.policies.numpy_policy import NumpyPolicy, sha256
from mgail_tf.policies.queried import QueriedExpert
from mgail_tf.reporting.plots import plot_run
from mgail_tf.training import provenance, run_directory
from mgail_tf.training.progress import Progress
from mgail_tf.types import Episode, Spec

EVALUATIONS = 10  # on the way
EVALUATION_EPISODES = 5  # of each of them
MATCH_EPISODES = 10  # of each policy that may be kept
FEW_EPISODES = 3  # fewer that are held out may show what the others never do
_MATCH_COLUMNS = ("match_distance", "match_accuracy")

Keep = Literal["final", "best_match"]


class Trainable(run_directory.Saved, Protocol):
    """What the driver needs of an algorithm."""

    algorithm: str
    unit: str  # what `iterate` counts: "env_steps", "epoch" or "expert_queries"
    env: EnvLike
    spec: Spec
    config: Any
    seed: int
    finished_policy: Any  # of the finished run that `learn` found, or None

    @property
    def diagnostic_columns(self) -> tuple[str, ...]:
        """Columns that `diagnose` adds to progress.csv."""
        ...

    @property
    def demonstrations(self) -> Demonstrations | None:
        """None: it learns from the environment's reward, or asks an expert."""
        ...

    @property
    def policy(self) -> AnyPolicy:
        """The policy that is scored."""
        ...

    def iterate(self, total: int, /) -> Iterator[tuple[int, dict[str, float]]]:
        """Train, and yield (steps or epochs so far, metrics) after every update."""
        ...

    def diagnose(self, episodes: list[Episode]) -> dict[str, float]:
        """Return `diagnostic_columns` of the networks on evaluation episodes."""
        ...


class Visits(Protocol):
    """What is counted of an expert that is asked."""

    expert: QueriedExpert
    expert_queries: int  # answers that were learnt from
    expert_steps: int  # environment steps in which it acted

    @property
    def env_steps(self) -> int:
        """Environment steps of the training."""
        ...


@runtime_checkable
class Asking(Protocol):
    """What the driver needs further of an algorithm that asks an expert."""

    query_every: int  # one visited state in so many is asked about

    @property
    def visits(self) -> Visits:
        """The states that it has visited."""
        ...

    def worth(self, trajectories: int) -> int:
        """Return the number of queries that trajectories of the expert are worth."""
        ...


@runtime_checkable
class Concluding(Protocol):
    """What the driver needs further of an algorithm whose settings may follow from rules."""

    def concluded(self) -> dict[str, Any]:
        """Return what final.json says of them."""
        ...


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
    task = task_of(agent.spec)
    total = budget(agent.algorithm, task) if total is None else whole(agent.unit, total)
    if not isinstance(run_dir, str | os.PathLike | None):
        raise BadInput(f"run_dir: found {run_dir!r}, expected a path")
    if agent.unit == "env_steps":
        agent.config.check_budget(total)
    if keep not in ("final", "best_match"):
        raise BadInput(f"keep: found {keep!r}, expected 'final' or 'best_match'")
    if keep == "best_match" and (agent.demonstrations is None or run_dir is None):
        raise BadInput("keep: found 'best_match', expected demonstrations and a run directory")
    if whole("episodes", episodes) < 1:
        raise BadInput(f"episodes: found {episodes}, expected at least 1")
    if held_out is not None:
        held_out = fitting(held_out, agent.spec)
        if agent.demonstrations is not None and (both := held_out.common(agent.demonstrations)):
            found = f"held_out: {both} of its {len(held_out)} episodes are learnt from"
            warnings.warn(found, stacklevel=3)
    if "NormalizeObservation" in agent.spec.wrappers:
        found = "NormalizeObservation: found a scale that changes from episode to episode, which"
        expected = "neither checkpoints nor policy files hold; expected TransformObservation"
        warnings.warn(f"{agent.spec.env_id}: {found} {expected}", stacklevel=3)
    agent.finished_policy = None  # of a run that was read before
    name = f"{agent.algorithm} {agent.spec.env_id}"
    if run_dir is None:
        needing = {"resume": resume, "keep_checkpoint": keep_checkpoint, "held_out": held_out}
        if given := [option for option, value in needing.items() if value]:
            raise BadInput(f"{given[0]}: found no run_dir, expected one with it")
        shown = Progress(name, agent.unit, total, 0, progress)
        _introduce(agent, shown)
        for update, (count, metrics) in enumerate(agent.iterate(total), 1):
            run_directory.check_finite(metrics, update)
            shown.update(count, metrics)
        shown.close()
        return
    path = Path(run_dir)
    choice = _Choice(keep, held_out, dict(candidates or {}), episodes)
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
        _finish(agent, run, described, now, evaluation_steps, choice, keep_checkpoint)


def _introduce(agent: Trainable, shown: Progress) -> None:
    """Say what is learnt from, and that the first update is being made."""
    if agent.demonstrations is not None:
        shown.say(agent.demonstrations.summary(agent.spec).short())
    shown.first()


class _Choice(NamedTuple):
    """How a run's policy is chosen and scored at its end."""

    keep: Keep
    held_out: Demonstrations | None
    candidates: dict[str, NumpyPolicy]
    episodes: int


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
    agent: Trainable, task: str, total: int, label: str, choice: "_Choice"
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


def _finish(
    agent: Trainable,
    run: run_directory.Run,
    described: dict[str, Any],
    count: int,
    evaluation_steps: float,
    choice: _Choice,
    keep_checkpoint: bool,
) -> None:
    """Score the policy in both modes; write it, its SavedModel, its rows and its picture."""
    seconds, task, episodes = run.seconds, described["task"], choice.episodes
    steps = count if agent.unit == "env_steps" else 0
    if isinstance(agent, Asking):
        steps = agent.visits.env_steps
    policy, kept, taken = _chosen(agent, run.path / "policies", choice)
    evaluation_steps += taken
    rolled: list[Episode] = []
    scores = [
        evaluate(policy, agent.env, episodes, EVALUATION_SEED, mode, seen=rolled.append)
        for mode in MODES
    ]
    weights = run.path / "policy.npz"
    policy.save_whole(weights)
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
        "commit": run.commit,
        "versions": provenance.versions(),
        "command": provenance.command(),
        "prefill_steps": min(steps, getattr(agent.config, "prefill_steps", 0)),
        "evaluation_steps": round(evaluation_steps),
    }
    if isinstance(agent, Asking):
        row |= _asked(agent, described)
        reference = agent.visits.expert.reference(task, agent.env, episodes)
    elif agent.demonstrations is None:
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
        "success_rates": {score.mode: score.success_rate for score in scores},
        "expert_return": reference.expert,
        "random_return": reference.random,
        **kept,
        **_matches(agent, rolled[:episodes], choice.held_out),
        **(agent.concluded() if isinstance(agent, Concluding) else {}),
    }
    shutil.rmtree(run.path / "saved_model", ignore_errors=True)  # of a run that was killed here
    policy.export(run.path / "saved_model", summary)
    if agent.unit != "epoch":
        known = reference == experts.committed_reference(task) or agent.demonstrations is None
        shown = "expert as sampled" if known else "demonstrations"
        shown = "expert" if isinstance(agent, Asking) else shown
        levels = {shown: reference.expert, "random": reference.random}
        title = f"{agent.algorithm.upper()} on {agent.spec.env_id}, seed {agent.seed}"
        plot_run(run.path / "progress.csv", run.path / "curve.png", title, levels, agent.unit)
    run.finish({"rows": rows, **summary}, keep_checkpoint)


def _asked(agent: Asking, described: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a result row says of an expert that was asked, for demonstrations.

    Queries are counted in trajectories: what one of them holds, one pair in `subsample` kept.
    """
    trajectories = described["expert_queries"] / agent.worth(1)
    return {
        "num_trajectories": int(trajectories) if trajectories % 1 == 0 else round(trajectories, 3),
        "subsample": agent.query_every,
        "demos_sha256": agent.visits.expert.fingerprint,
        "expert_queries": agent.visits.expert_queries,
        "expert_steps": agent.visits.expert_steps,
    }


def _chosen(
    agent: Trainable, folder: Path, choice: _Choice
) -> tuple[AnyPolicy, dict[str, Any], float]:
    """Return the policy to keep, what final.json says of the choice, and the steps it took."""
    final = agent.policy
    if choice.keep == "final":
        return final, {}, 0.0
    shown = agent.demonstrations
    if choice.held_out and len(choice.held_out) >= FEW_EPISODES:
        shown = choice.held_out
    assert shown is not None  # `learn` has checked it
    policies: dict[str, AnyPolicy]
    policies = {path.stem: load_policy(path, agent.spec) for path in folder.glob("step_*.npz")}
    policies |= {"final": final, **choice.candidates}
    found = {
        name: match(policy, agent.env, shown, MATCH_EPISODES, EVALUATION_SEED + 2)
        for name, policy in policies.items()
    }
    best = min(found, key=lambda name: (found[name].distance, name != "final"))
    distances = {name: round(each.distance, 4) for name, each in found.items()}
    score = evaluate(final, agent.env, choice.episodes, EVALUATION_SEED)
    steps = MATCH_EPISODES * sum(each.length_mean for each in found.values())
    said = {"kept": best, "match_distances": distances, "final_policy": score.rounded()}
    return policies[best], said, steps


def _matches(
    agent: Trainable, rolled: list[Episode], held_out: Demonstrations | None
) -> dict[str, Any]:
    """Return what final.json says of the match with demonstrations; nothing if there are none."""
    shown = held_out or agent.demonstrations
    if shown is None:
        return {}
    random = UniformPolicy(agent.spec, EVALUATION_SEED)
    chance = match(random, agent.env, shown, EVALUATION_EPISODES, EVALUATION_SEED)
    found = {"policy": compare(rolled, shown, agent.spec), "random": chance}
    return {
        "match": {
            "against": "held-out demonstrations" if held_out else "the demonstrations learnt from",
            "episodes": len(shown),
            **{name: each._asdict() | {"distance": each.distance} for name, each in found.items()},
        }
    }
