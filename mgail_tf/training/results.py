"""The end of a run: the policy is chosen, scored, exported and written down."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from mgail_tf.data.demonstrations import Demonstrations
from mgail_tf.envs.evaluation import (
    EVALUATION_SEED,
    MODES,
    Score,
    UniformPolicy,
    evaluate,
    evaluate_random,
    normalised,
)
from mgail_tf.policies import experts
from mgail_tf.policies.composed import AnyPolicy, load_policy
from mgail_tf.policies.match import compare, match
from mgail_tf.policies.numpy_policy import NumpyPolicy, sha256
from mgail_tf.reporting.plots import plot_run
from mgail_tf.training import provenance, run_directory
from mgail_tf.training.protocols import Asking, Concluding, Trainable
from mgail_tf.types import Episode

MATCH_EPISODES = 10  # of each policy that may be kept
CHANCE_EPISODES = 5  # of random actions, beside which the match is shown
FEW_EPISODES = 3  # fewer that are held out may show what the others never do

Keep = Literal["final", "best_match"]


class Choice(NamedTuple):
    """How a run's policy is chosen and scored at its end."""

    keep: Keep
    held_out: Demonstrations | None
    candidates: dict[str, NumpyPolicy]
    episodes: int


def finish(
    agent: Trainable,
    run: run_directory.Run,
    described: dict[str, Any],
    choice: Choice,
    count: int,
    evaluation_steps: float,
    keep_checkpoint: bool,
) -> None:
    """Score the policy in both modes; write it, its SavedModel, its rows and its picture.

    Args:
        described: config.json.
        count: what `iterate` counted to.
        evaluation_steps: environment steps of the evaluations so far.
    """
    seconds = run.seconds  # of the training alone
    policy, kept, taken = _chosen(agent, run.path / "policies", choice)
    policy.save_whole(run.path / "policy.npz")
    rolled: list[Episode] = []
    scores = [
        evaluate(policy, agent.env, choice.episodes, EVALUATION_SEED, mode, seen=rolled.append)
        for mode in MODES
    ]
    reference = _reference(agent, described["task"], choice.episodes, scores)
    row = _row(agent, run, described, count)
    row |= {"wall_seconds": round(seconds, 1), "evaluation_steps": round(evaluation_steps + taken)}
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
        "env_steps": row["env_steps"],
        "versions": row["versions"],
        "scores": {score.mode: round(score.return_mean, 2) for score in scores},
        "success_rates": {score.mode: score.success_rate for score in scores},
        "expert_return": reference.expert,
        "random_return": reference.random,
        **kept,
        **_matches(agent, rolled[: choice.episodes], choice.held_out),
        **(agent.concluded() if isinstance(agent, Concluding) else {}),
    }
    shutil.rmtree(run.path / "saved_model", ignore_errors=True)  # of a run that was killed here
    policy.export(run.path / "saved_model", summary)
    if agent.unit != "epoch":
        _draw(agent, run.path, described["task"], reference)
    run.finish({"rows": rows, **summary}, keep_checkpoint)


def _reference(
    agent: Trainable, task: str, episodes: int, scores: list[Score]
) -> experts.Reference:
    """Return the returns that normalised scores lie between."""
    if isinstance(agent, Asking):
        return agent.visits.expert.reference(task, agent.env, episodes)
    if agent.demonstrations is None:  # it is the expert
        chance = evaluate_random(agent.env, episodes, EVALUATION_SEED)
        return experts.Reference(chance, scores[-1].return_mean)
    return experts.reference(task, agent.env, agent.demonstrations, EVALUATION_SEED)


def _row(
    agent: Trainable, run: run_directory.Run, described: Mapping[str, Any], count: int
) -> dict[str, Any]:
    """Return what both result rows of a run have in common, but for times and evaluations."""
    steps = count if agent.unit == "env_steps" else 0
    shown: dict[str, Any] = {}
    if isinstance(agent, Asking):
        steps, shown = agent.visits.env_steps, _asked(agent, described)
    elif agent.demonstrations is not None:
        names = ("num_trajectories", "subsample", "demos_sha256")
        shown = {name: described[name] for name in names}
    return {
        "task": described["task"],
        "env_id": agent.spec.env_id,
        "algorithm": agent.algorithm,
        "variant": described["variant"],
        "seed": agent.seed,
        "env_steps": steps,
        "config_sha256": provenance.config_sha256(described["config"]),
        "weights_sha256": sha256(run.path / "policy.npz"),
        "commit": run.commit,
        "versions": provenance.versions(),
        "command": provenance.command(),
        "prefill_steps": min(steps, getattr(agent.config, "prefill_steps", 0)),
        **shown,
    }


def _draw(agent: Trainable, path: Path, task: str, reference: experts.Reference) -> None:
    """Draw the learning curve."""
    known = reference == experts.committed_reference(task) or agent.demonstrations is None
    shown = "expert as sampled" if known else "demonstrations"
    shown = "expert" if isinstance(agent, Asking) else shown
    levels = {shown: reference.expert, "random": reference.random}
    title = f"{agent.algorithm.upper()} on {agent.spec.env_id}, seed {agent.seed}"
    plot_run(path / "progress.csv", path / "curve.png", title, levels, agent.unit)


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
    agent: Trainable, folder: Path, choice: Choice
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
    chance = match(random, agent.env, shown, CHANCE_EPISODES, EVALUATION_SEED)
    found = {"policy": compare(rolled, shown, agent.spec), "random": chance}
    return {
        "match": {
            "against": "held-out demonstrations" if held_out else "the demonstrations learnt from",
            "episodes": len(shown),
            **{name: each._asdict() | {"distance": each.distance} for name, each in found.items()},
        }
    }
