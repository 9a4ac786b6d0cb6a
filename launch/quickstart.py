"""The main job: clone and imitate the committed expert, and print all three side by side.

python launch/quickstart.py --task=hopper
"""

import sys
from pathlib import Path
from typing import Any

import _flags

import mgail_tf as mg
from mgail_tf.config.tasks import TASKS
from mgail_tf.policies import experts

FLAGS = _flags.define(
    "task", "seed", "env_steps", "set", "out", "smoke", "resume", "threads", "checkpoint_every"
)


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    task, seed = get["task"], get["seed"]
    if task not in TASKS:
        raise mg.BadInput(f"--task={task}: expected one of {', '.join(TASKS)}")
    out = Path(get["out"] or f"runs/imitate-{task}-seed{seed}")
    given = {"demos": None, "num_trajectories": None, "subsample": None, "episodes": 50, **get}
    _flags.settings("mgail", given)  # refused before anything is trained
    rows = experts.rows(task)
    for algorithm in ("bc", "mgail"):
        settings = given["set"] if algorithm == "mgail" else []
        run = {**given, "out": str(out / algorithm), "set": settings}
        rows += _flags.train(algorithm, run)
    _flags.print_scores(rows)
    print(f"\npolicy:         {out}/mgail/saved_model\nlearning curve: {out}/mgail/curve.png")
    print(f"result rows:    {out}/mgail/final.json")


main = _flags.script(job, FLAGS, settings_of="mgail")

if __name__ == "__main__":
    sys.exit(main(sys.argv))
