"""Score a policy: a policy.npz, a run, an exported SavedModel, an ONNX file, a committed expert.

    python launch/evaluate.py --task=hopper            (the committed expert)
    python launch/evaluate.py --policy=runs/mgail-hopper-default-seed0
    python launch/evaluate.py --policy=hopper_policy.onnx
    python launch/evaluate.py --task=my_module:MyEnv-v0 --policy=runs/mine --demos=mine.npz

Without --task the environment is the one that the policy was made for. An ONNX file holds the mean
or most probable action only: it is scored deterministically. With --demos the policy's behaviour is
compared with demonstrations too, without a look at rewards, beside a policy that clones them and
random actions.
"""

import sys
from typing import Any

import _flags

import mgail_tf as mg
from mgail_tf.envs.evaluation import EVALUATION_SEED, MODES, UniformPolicy
from mgail_tf.types import Spec

FLAGS = _flags.define(
    "task", "policy", "demos", "episodes", "smoke", "threads", seed=EVALUATION_SEED
)


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    spec = mg.make(get["env"], 0).spec
    policy = _flags.policy_of(get, spec)
    shown = mg.Demonstrations.load(get["demos"]).for_spec(spec) if get["demos"] else None
    episodes = 2 if get["smoke"] else get["episodes"]
    for mode in MODES:
        if mode == "stochastic" and isinstance(policy, mg.OnnxPolicy):
            print(f"{spec.env_id}: an ONNX policy is deterministic only: no stochastic episodes")
            continue
        print(f"{spec.env_id}: {mg.evaluate(policy, get['env'], episodes, get['seed'], mode)}")
    if shown:
        _compare(get, policy, shown, spec, min(episodes, 20))


def _compare(
    get: dict[str, Any], policy: Any, shown: mg.Demonstrations, spec: Spec, episodes: int
) -> None:
    """Print the match with demonstrations of the policy, of a clone of them, and of chance."""
    _flags.say("cloning the demonstrations, to compare with ...")
    _flags.load_tensorflow(get["threads"])
    clone = mg.BC(get["env"], shown, mg.BCConfig(max_epochs=3) if get["smoke"] else None).learn()
    print(f"\nmatch with {get['demos']} (0: the same; no reward is looked at)")
    print("policy".ljust(16) + "distance   states    pairs   told apart   length  terminated")
    for name, each in (
        ("this policy", policy),
        ("cloned", clone.policy),
        ("random actions", UniformPolicy(spec, get["seed"])),
    ):
        found = mg.match(each, get["env"], shown, episodes, get["seed"])
        print(
            f"{name:16}{found.distance:8.3f}{found.state_distance:9.3f}{found.pair_distance:9.3f}"
            f"{found.classifier_accuracy:13.0%}{found.length_mean:9.0f}{found.terminated:12.0%}"
        )
    print(f"{'demonstrations':46}{shown.lengths.mean():18.0f}{shown.terminated.mean():12.0%}")


main = _flags.script(job, FLAGS)

if __name__ == "__main__":
    sys.exit(main(sys.argv))
