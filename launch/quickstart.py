"""The main job: clone and imitate an expert, and print what came of it beside the expert.

    python launch/quickstart.py --task=hopper
    python launch/quickstart.py --task=my_module:MyEnv-v0 --demos=mine.npz

By default the demonstrations are of the task's committed expert.
"""

import sys
from pathlib import Path
from typing import Any

import _flags

import mgail_tf as mg
from mgail_tf.config.tasks import TASKS
from mgail_tf.files import check_free

FLAGS = _flags.define(*(name for name in _flags.IMITATION if name != "label"))


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    task, seed = get["task"], get["seed"]
    if task not in TASKS and not get["demos"]:
        names = ", ".join(TASKS)
        raise mg.BadInput(f"--task={task}: expected --demos with it, or one of {names}")
    out = Path(get["out"] or f"runs/imitate-{_flags.as_file_name(task)}-seed{seed}")
    _flags.settings("mgail", get)  # refused before anything is trained
    if not get["resume"]:
        check_free(out)
    for algorithm in ("bc", "mgail"):
        settings = get["set"] if algorithm == "mgail" else []
        keep = get["keep"] if algorithm == "mgail" else "final"
        run = {**get, "out": str(out / algorithm), "set": settings, "keep": keep}
        folder = _flags.train(algorithm, run)
    print(mg.verdict(folder, _flags.environment_flags(get)))


main = _flags.script(job, FLAGS, settings_of="mgail")

if __name__ == "__main__":
    sys.exit(main(sys.argv))
