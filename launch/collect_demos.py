"""Roll demonstrations out of an expert; the same command gives the same bytes.

python launch/collect_demos.py --task=hopper --trajectories=25 --out=hopper.npz
python launch/collect_demos.py --task=hopper --policy=runs/.../saved_model
"""

import sys
from pathlib import Path
from typing import Any

import _flags
from absl import flags
from tqdm import tqdm

import mgail_tf as mg
from mgail_tf.files import make_folder

FLAGS = _flags.define("task", "seed", "policy", "smoke", "threads")
flags.DEFINE_integer("trajectories", 25, "Whole episodes.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_boolean("deterministic", False, "Take the mode, not a sample.", flag_values=FLAGS)
flags.DEFINE_string("out", None, "The npz to write. Default: TASK.npz", flag_values=FLAGS)


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    task = get["task"]
    out = Path(get["out"] or f"{_flags.as_file_name(task)}.npz")
    if out.suffix != ".npz":
        raise mg.BadInput(f"--out={out}: found suffix {out.suffix!r}, expected .npz")
    if out.exists():
        raise mg.BadInput(f"{out}: exists; choose another --out or remove it")
    spec = mg.make(get["env"], 0).spec
    policy = _flags.policy_of(get, spec)
    if isinstance(policy, mg.OnnxPolicy) and not get["deterministic"]:
        raise mg.BadInput(f"{get['policy']}: found a policy without sampling: say --deterministic")
    make_folder(out.parent)
    count = 1 if get["smoke"] else get["trajectories"]
    with tqdm(total=count, unit=" episodes") as bar:
        sampled = not get["deterministic"]
        shown = mg.record(get["env"], policy, count, get["seed"], sampled, bar.update)
    shown.save(out)
    digest = mg.Demonstrations.load(out).sha256
    print(f"{out}: {count} episodes, mean return {shown.return_mean:.1f}, sha256 {digest}")


main = _flags.script(job, FLAGS)

if __name__ == "__main__":
    sys.exit(main(sys.argv))
