"""Roll demonstrations out of an expert; the same command gives the same bytes.

python launch/collect_demos.py --task=hopper --trajectories=25 --out=hopper.npz
"""

import sys
from pathlib import Path
from typing import Any

import _flags
from absl import flags
from tqdm import tqdm

import mgail_tf as mg
from mgail_tf.policies import experts

FLAGS = _flags.define("task", "seed", "smoke")
flags.DEFINE_integer("trajectories", 25, "Whole episodes.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_boolean("deterministic", False, "Take the mode, not a sample.", flag_values=FLAGS)
flags.DEFINE_string("policy", None, "A policy.npz; default: the expert's.", flag_values=FLAGS)
flags.DEFINE_string("out", None, "The npz to write. Default: TASK.npz", flag_values=FLAGS)


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    task = get["task"]
    out = Path(get["out"] or f"{_flags.as_file_name(task)}.npz")
    if out.suffix != ".npz":
        raise mg.BadInput(f"--out={out}: found suffix {out.suffix!r}, expected .npz")
    if out.exists():
        raise mg.BadInput(f"{out}: exists; choose another --out or remove it")
    experts.make_folder(out.parent)
    spec = mg.make(task, 0).spec
    load = mg.load_policy
    policy = load(get["policy"], spec) if get["policy"] else experts.load(task, spec)
    count = 1 if get["smoke"] else get["trajectories"]
    with tqdm(total=count, unit=" episodes") as bar:
        shown = experts.collect(
            policy, task, count, get["seed"], not get["deterministic"], bar.update
        )
    experts.save_demonstrations(shown, out)
    digest = mg.Demonstrations.load(out).sha256
    print(f"{out}: {count} episodes, mean return {shown.return_mean:.1f}, sha256 {digest}")


main = _flags.script(job, FLAGS)

if __name__ == "__main__":
    sys.exit(main(sys.argv))
