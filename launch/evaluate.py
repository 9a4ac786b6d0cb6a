"""Score a policy: a policy.npz, a run, an exported SavedModel, an ONNX file, a committed expert.

python launch/evaluate.py --task=hopper --policy=runs/mgail-hopper-default-seed0
python launch/evaluate.py --task=hopper --policy=hopper_policy.onnx
python launch/evaluate.py --task=hopper            (the committed expert)

An ONNX file holds the mean or most probable action only: it is scored deterministically.
"""

import sys
from typing import Any

import _flags
from absl import flags

import mgail_tf as mg
from mgail_tf.envs.evaluation import EVALUATION_SEED, MODES

FLAGS = _flags.define("task", "policy", "episodes", "smoke", "threads", seed=EVALUATION_SEED)
flags.DEFINE_string("saved_model", None, "The same as --policy.", flag_values=FLAGS)


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    if get["policy"] and get["saved_model"]:
        raise mg.BadInput("--policy and --saved_model: found both, expected one")
    spec = mg.make(get["env"], 0).spec
    policy = _flags.policy_of({**get, "policy": get["policy"] or get["saved_model"]}, spec)
    episodes = 2 if get["smoke"] else get["episodes"]
    for mode in MODES:
        if mode == "stochastic" and isinstance(policy, mg.OnnxPolicy):
            print(f"{spec.env_id}: an ONNX policy is deterministic only: no stochastic episodes")
            continue
        print(f"{spec.env_id}: {mg.evaluate(policy, get['env'], episodes, get['seed'], mode)}")


main = _flags.script(job, FLAGS)

if __name__ == "__main__":
    sys.exit(main(sys.argv))
