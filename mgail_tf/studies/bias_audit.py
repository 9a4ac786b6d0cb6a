"""How much of an imitator's score comes from what an episode's end is worth, not from the expert.

A reward that is never negative keeps an agent alive whoever it imitates, and so does a cost for a
terminated task (Kostrikov et al. 2019). The same run is therefore made again without an expert to
learn from.
"""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from mgail_tf.agents.gail import GAIL, judged_cost
from mgail_tf.agents.mgail.agent import MGAIL
from mgail_tf.config.tasks import task_of
from mgail_tf.data.demonstrations import Demonstrations
from mgail_tf.data.normaliser import Normaliser
from mgail_tf.envs.evaluation import EVALUATION_SEED, normalised
from mgail_tf.envs.gym_env import EnvLike, make
from mgail_tf.policies import experts
from mgail_tf.policies.numpy_policy import NumpyPolicy
from mgail_tf.types import Spec

# What differs from the run as it is, which is the first:
# untrained    the discriminator stays as it was initialised, and nothing is cloned
# constant     the demonstrations are those of a policy that always takes the same action
# other_sign   the policy's cost is never positive instead of never negative, or the reverse
AUDITS = ("expert", "untrained", "constant", "other_sign")
KEY = ("task", "algorithm", "audit", "seed")  # of a row
_COPIED = (
    *("seed", "env_steps", "episodes", "return_mean", "return_std_over_episodes", "length_mean"),
    *("normalised", "wall_seconds", "commit", "versions"),
)
COLUMNS = ("task", "algorithm", "audit", "cost", *_COPIED, "share", "demonstrator_return")
_OTHER_SIGN = {"log_d": "neg_log_expert", "neg_log_expert": "log_d"}


def constant_policy(spec: Spec) -> NumpyPolicy:
    """Return the policy that always takes the middle of the action range, or the first action."""
    bias = np.zeros(spec.action_size, np.float32)
    bias[0] = float(spec.discrete)
    kernel = np.zeros([spec.state_size, spec.action_size], np.float32)
    normaliser = Normaliser(np.zeros(spec.state_size), np.ones(spec.state_size), 10.0)
    log_std = np.zeros(0 if spec.discrete else spec.action_size, np.float32)
    return NumpyPolicy((kernel, bias), log_std, normaliser, "tanh", "linear", spec)


def constant_demonstrations(env: EnvLike, seed: int, pairs: int) -> Demonstrations:
    """Return demonstrations of the constant policy with 0.75 to 1.5 times so many pairs."""
    policy = constant_policy(make(env, seed).spec)
    length = experts.record(env, policy, 10, seed, stochastic=False).lengths.mean()
    count = math.ceil(pairs / length)
    shown = experts.record(env, policy, count, seed, stochastic=False)
    return shown.sample(every=max(1, round(count * length / pairs)), seed=seed)


def settings_of(audit: str, config: Any) -> Any:
    """Return the settings of one of `AUDITS`, from those of the run as it is."""
    changes: dict[str, Any] = {}
    if audit == "untrained":
        changes["discriminator_learning_rate"] = 0.0
        if hasattr(config, "bc_weight"):  # MGAIL would learn from the expert all the same
            changes |= {"bc_weight": 0.0, "cloning_bound": None, "clone_share": 0.0}
            changes |= {"match_tolerance": None, "demonstrated_share": 0.0}
    elif audit == "other_sign":
        changes["cost"] = _OTHER_SIGN[config.cost]
    return dataclasses.replace(config, **changes)


def audit(
    imitator: type[GAIL] | type[MGAIL],
    env: EnvLike,
    demonstrations: Demonstrations,
    config: Any,
    env_steps: int,
    folder: Path,
    seed: int = 0,
    **options: Any,
) -> list[dict[str, Any]]:
    """Run an imitator as it is, and in the three other ways of `AUDITS`.

    Args:
        folder: every run has its own folder there. A finished run is read, a stopped one goes on.
        options: further arguments of `learn`, such as `episodes`.

    Returns:
        A row (`COLUMNS`) for each, of the final policy, deterministic. `normalised` is its score
        by the expert's returns, and `share` is that as a share of the score with the expert.
    """
    spec = make(env, seed).spec
    reference = experts.reference(task_of(spec), env, demonstrations, EVALUATION_SEED)
    constant = constant_demonstrations(env, seed, len(demonstrations.pairs(spec).states))
    if config.cost is None:  # by the expert's demonstrations in every audit
        config = dataclasses.replace(config, cost=judged_cost(demonstrations))
    rows: list[dict[str, Any]] = []
    for name in AUDITS:
        shown, shown_return = demonstrations, reference.expert
        if name == "constant":
            shown, shown_return = constant, constant.return_mean
        agent = imitator(env, shown, settings_of(name, config), seed)
        path = folder / f"{agent.algorithm}-{name}"
        agent.learn(env_steps, path, resume=True, label=f"audit_{name}", **options)
        found = json.loads((path / "final.json").read_text())["rows"][0]
        score = round(normalised(found["return_mean"], *reference), 4)
        whole = rows[0]["normalised"] if rows else score
        row = found | {
            "audit": name,
            "cost": agent.config.cost,
            "normalised": score,
            "share": round(score / whole, 4) if whole else math.nan,
            "demonstrator_return": round(shown_return, 2),
        }
        rows.append({column: row[column] for column in COLUMNS})
    return rows
