"""Print what demonstrations hold and what MGAIL will conclude from them, and draw it.

python launch/inspect_demos.py mine.npz
python launch/inspect_demos.py mine.hdf5 --task=my_module:MyEnv-v0 --out=mine.png
python launch/inspect_demos.py minari:mujoco/hopper/expert-v0 --task=hopper

With --task they are checked against the environment. Without it nothing is concluded. What MGAIL
will conclude is of the trajectories and pairs that launch/train_mgail.py takes by default of such a
file.
"""

import os
import sys
from pathlib import Path
from typing import Any

import _flags
from absl import flags

import mgail_tf as mg
from mgail_tf.agents.mgail import rules
from mgail_tf.files import make_folder
from mgail_tf.reporting import plots

FLAGS = _flags.define("seed", "num_trajectories", "subsample", task=None)
flags.DEFINE_string("out", None, "Picture to write. Default: none is drawn.", flag_values=FLAGS)


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    if len(get["files"]) != 1:
        found = f"found {len(get['files'])} files"
        raise mg.BadInput(f"{found}, expected one: launch/inspect_demos.py FILE")
    picture = plots.check_picture(Path(get["out"])) if get["out"] else None
    if picture and picture.exists():
        raise mg.BadInput(f"{picture}: exists; choose another --out or remove it")
    spec = mg.make(get["env"], 0).spec if get["task"] else None
    held = mg.Demonstrations.load(os.path.expanduser(get["files"][0]))
    shown = held.sample(get["num_trajectories"], get["subsample"] or 1, get["seed"])
    summary = shown.summary(spec)
    print(summary)
    if spec:
        count, every = _flags.sizes(get)
        taken = held.sample(min(count or len(held), len(held)), every, get["seed"])
        which = "1 trajectory" if len(taken) == 1 else f"{len(taken)} trajectories"
        pairs = "all pairs" if every == 1 else f"one pair in {every}"
        if count and count > len(held):
            advice = f"give train_mgail.py --num_trajectories={len(held)}"
            print(f"\nThe paper's smallest dataset has {count} trajectories: {advice}")
        print(f"\nMGAIL on {spec.env_id} with {which}, {pairs}, where a setting is not given:")
        print(rules.conclusions(taken, spec))
    if picture:
        make_folder(picture.parent)
        partial = picture.with_name(f".{picture.stem}.partial{picture.suffix}")
        plots.plot_demonstrations(shown, summary, partial, spec)
        partial.replace(picture)
        print(f"\n{picture}: lengths, returns, actions and ranges of states")


main = _flags.script(job, FLAGS, arguments="files")

if __name__ == "__main__":
    sys.exit(main(sys.argv))
