"""Score a policy.npz, an exported SavedModel or a committed expert.

python launch/evaluate.py --task=hopper --policy=runs/mgail-hopper-default-seed0/policy.npz
python launch/evaluate.py --task=hopper --saved_model=runs/.../saved_model
python launch/evaluate.py --task=hopper            (the committed expert)
"""

import sys
from typing import Any

import _flags
from absl import flags

import mgail_tf as mg
from mgail_tf.envs.evaluation import EVALUATION_SEED, MODES
from mgail_tf.policies import experts

FLAGS = _flags.define("task", "episodes", "smoke", "threads", seed=EVALUATION_SEED)
flags.DEFINE_string("policy", None, "A policy.npz; default: the expert's.", flag_values=FLAGS)
flags.DEFINE_string("saved_model", None, "A folder that export wrote.", flag_values=FLAGS)


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    if get["policy"] and get["saved_model"]:
        raise mg.BadInput("--policy and --saved_model: found both, expected one")
    spec = mg.make(get["task"], 0).spec
    policy: Any
    if get["saved_model"]:
        _flags.load_tensorflow(get["threads"])
        policy = mg.SavedPolicy(get["saved_model"], spec)
    elif get["policy"]:
        policy = mg.load_policy(get["policy"], spec)
    else:
        policy = experts.load(get["task"], spec)
    episodes = 2 if get["smoke"] else get["episodes"]
    for mode in MODES:
        print(f"{spec.env_id}: {mg.evaluate(policy, get['task'], episodes, get['seed'], mode)}")


main = _flags.script(job, FLAGS)

if __name__ == "__main__":
    sys.exit(main(sys.argv))
