"""Export a policy.npz (default: a committed expert) as a SavedModel.

python launch/export_policy.py --task=hopper --policy=runs/.../policy.npz --out=hopper_policy
"""

import sys
from pathlib import Path
from typing import Any

import _flags
from absl import flags

import mgail_tf as mg
from mgail_tf.envs.evaluation import EVALUATION_SEED, MODES
from mgail_tf.files import check_free
from mgail_tf.policies import experts
from mgail_tf.training.provenance import versions

FLAGS = _flags.define("task", "episodes", "smoke", "threads", seed=EVALUATION_SEED)
flags.DEFINE_string("policy", None, "A policy.npz; default: the expert's.", flag_values=FLAGS)
flags.DEFINE_string("out", None, "Folder to write. Default: TASK_policy", flag_values=FLAGS)


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    task = get["task"]
    out = Path(get["out"] or f"{_flags.as_file_name(task)}_policy")
    check_free(out)
    spec, load = mg.make(task, 0).spec, mg.load_policy
    policy = load(get["policy"], spec) if get["policy"] else experts.load(task, spec)
    episodes = 2 if get["smoke"] else get["episodes"]
    scores = {
        mode: mg.evaluate(policy, task, episodes, get["seed"], mode).return_mean for mode in MODES
    }
    _flags.load_tensorflow(get["threads"])
    policy.export(out, {"versions": versions(), "scores": scores})
    print(f"{out}: {', '.join(f'{m} {s:.1f}' for m, s in scores.items())} over {episodes} episodes")


main = _flags.script(job, FLAGS)

if __name__ == "__main__":
    sys.exit(main(sys.argv))
