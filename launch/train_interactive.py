"""Imitate an expert by asking it: Forward Training, SMILe or DAgger; score, export and record.

    python launch/train_interactive.py --method=dagger --task=hopper --num_trajectories=4
    python launch/train_interactive.py --method=smile --task=hopper --expert=mine/policy.npz
    python launch/train_interactive.py --method=forward_training --task=hopper --horizon=50

The expert is asked about as many states as --num_trajectories expert trajectories hold, one pair in
--subsample kept, as demonstrations of other algorithms are; --queries says how many it is asked.
Forward Training asks about one step at a time and takes no --subsample.
"""

import dataclasses
import sys
from pathlib import Path
from typing import Any

import _flags
from absl import flags

import mgail_tf as mg
from mgail_tf.config.algorithms import CONFIGS, describe
from mgail_tf.config.tasks import TASKS
from mgail_tf.envs.gym_env import EnvLike, Registered, make
from mgail_tf.policies.experts import weights_path
from mgail_tf.policies.queried import queried_expert

METHODS = ("forward_training", "smile", "dagger")
SMOKE_HORIZON = 10  # steps

FLAGS = _flags.define(
    *("task", "seed", "subsample", "set", "episodes", "out", "label"),
    *("resume", "checkpoint_every", "keep_checkpoint", "threads", "smoke"),
)
flags.DEFINE_enum("method", "dagger", METHODS, "How the expert is asked.", flag_values=FLAGS)
flags.DEFINE_string(
    "expert",
    None,
    "A policy.npz or a SavedModel's folder; default: the committed one of the task.",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "num_trajectories",
    None,
    "Expert trajectories that the queries are worth; default: 25.",
    lower_bound=1,
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "queries", None, "States that it is asked about.", lower_bound=1, flag_values=FLAGS
)
flags.DEFINE_integer(
    "horizon",
    None,
    "Time limit of episodes, in training and scoring; default: the task's.",
    lower_bound=1,
    flag_values=FLAGS,
)
flags.DEFINE_boolean(
    "help_settings",
    False,
    "List the settings of --method that --set takes, with defaults and meanings.",
    flag_values=FLAGS,
)


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    method, smoke = get["method"], get["smoke"]
    if get["help_settings"]:
        print(describe(CONFIGS[method]))
        return
    if method == "forward_training" and get["subsample"]:
        raise mg.BadInput("--subsample: forward_training asks about every step, expected none")
    fewest, settings = _flags.SMOKE[method]
    config = mg.override(mg.for_task(method, get["task"]), settings if smoke else [])
    if get["subsample"]:
        config = dataclasses.replace(config, query_every=get["subsample"])
    config = mg.override(config, get["set"])
    horizon = get["horizon"] or (SMOKE_HORIZON if smoke and method == "forward_training" else None)
    env = _limited(get["env"], horizon) if horizon else get["env"]
    label = _flags.label_of(get, f"T{horizon}" if horizon else "default")
    asked = f"-{get['queries']}" if get["queries"] else ""
    asked = f"-{get['num_trajectories']}trajectories" if get["num_trajectories"] else asked
    out = _flags.folder(get, f"{method}-{get['task']}-{label}{asked}-seed{get['seed']}")
    if get["queries"] and get["num_trajectories"]:
        raise mg.BadInput("--queries and --num_trajectories: found both, expected one")
    if not get["expert"]:
        _flags.check_expert(get["task"], "--expert=FILE")
    expert = get["expert"] or (weights_path(get["task"]) if get["task"] in TASKS else None)
    if expert and not Path(expert).is_dir():  # a SavedModel can't be read without TensorFlow
        queried_expert(expert, make(env, get["seed"]).spec, get["task"])
    _flags.say("loading TensorFlow ...")
    _flags.load_tensorflow(get["threads"])
    kinds = {"forward_training": mg.ForwardTraining, "smile": mg.SMILe, "dagger": mg.DAgger}
    agent = kinds[method](env, expert, config, get["seed"])
    queries = get["queries"] or (fewest if smoke else None)
    if get["num_trajectories"]:
        queries = agent.worth(get["num_trajectories"])
    agent.learn(
        queries,
        out,
        resume=get["resume"],
        episodes=2 if smoke else get["episodes"],
        checkpoint_every=get["checkpoint_every"],
        keep_checkpoint=get["keep_checkpoint"],
        label=label,
        progress=True,
    )
    print(mg.verdict(out, _flags.environment_flags(get)))


def _limited(env: EnvLike, horizon: int) -> EnvLike:
    """Return what makes the environment with a time limit of so many steps."""
    made = env if isinstance(env, Registered) else Registered(str(env))
    return dataclasses.replace(made, kwargs={**made.kwargs, "max_episode_steps": horizon})


main = _flags.script(job, FLAGS)

if __name__ == "__main__":
    sys.exit(main(sys.argv))
