"""Film policies side by side, each from the same start, as an mp4 or a gif.

    python launch/record_video.py --out=hopper.mp4 \
        --policies=runs/imitate-hopper-seed0/bc,runs/imitate-hopper-seed0/mgail

A policy is a policy.npz, a run's folder, an exported SavedModel's folder or an .onnx file. An mp4
needs `pip install -e '.[video]'`. MuJoCo draws by EGL or OSMesa, or as MUJOCO_GL says.
"""

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # pygame draws, but opens no window

import _flags
from absl import flags

import mgail_tf as mg
from mgail_tf.reporting import video

FLAGS = _flags.define("task", "policies", "seed", "threads", "smoke")
flags.DEFINE_list("titles", [], "Captions; default: the policies' names.", flag_values=FLAGS)
flags.DEFINE_string("out", None, "The .mp4 or .gif. Default: runs/TASK.gif", flag_values=FLAGS)
flags.DEFINE_float("seconds", 10.0, "Of the video.", lower_bound=0.1, flag_values=FLAGS)
flags.DEFINE_integer("height", 320, "Pixels of a picture.", lower_bound=32, flag_values=FLAGS)
flags.DEFINE_boolean("stochastic", False, "Take samples, not the mode.", flag_values=FLAGS)


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    task, names = get["task"], get["policies"]
    out = Path(get["out"] or f"runs/{_flags.as_file_name(task)}.gif")
    video.check_video(out)
    titles = get["titles"] or [_title(Path(name)) for name in names] or ["expert"]
    if len(titles) != len(names or [None]):
        raise mg.BadInput(f"--titles: found {len(titles)}, expected {len(names or [None])}")
    spec = mg.make(get["env"], 0).spec
    flag = "--policies"
    policies = [_flags.policy_of({**get, "policy": name}, spec, flag) for name in names or [None]]
    seconds = 0.4 if get["smoke"] else get["seconds"]
    mg.record_video(
        policies,
        get["env"],
        out,
        seconds=seconds,
        titles=titles,
        stochastic=get["stochastic"],
        seed=get["seed"],
        height=get["height"],
        progress=True,
    )
    print(f"{out}: {', '.join(titles)}, {seconds:g} s")


def _title(path: Path) -> str:
    """Return what a policy is called: its file's or folder's name, or that of the run it is of."""
    path = path.resolve()
    return path.parent.name if path.stem in ("policy", "saved_model") else path.stem


main = _flags.script(job, FLAGS)

if __name__ == "__main__":
    sys.exit(main(sys.argv))
