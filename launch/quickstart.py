"""The main job: clone and imitate the committed expert, and print all three side by side.

python launch/quickstart.py --task=hopper
"""

import sys
from pathlib import Path

from launch import cli, train_bc, train_mgail

FLAGS = cli.define(task="hopper", seed=0, out=None, smoke=False, resume=False, threads=1, set=None)


def job() -> None:
    """Run what the flags say."""
    from mgail_tf import experts, overrides, tasks
    from mgail_tf.types import BadInput

    get = cli.read(FLAGS)
    task, seed, smoke = get["task"], get["seed"], get["smoke"]
    if task not in tasks.TASKS:
        raise BadInput(f"--task={task}: expected one of {', '.join(tasks.TASKS)}")
    out = Path(get["out"] or f"runs/imitate-{task}-seed{seed}")
    settings = cli.config("mgail", FLAGS, train_mgail.SMOKE)
    cloning = overrides.override(tasks.for_task("bc", task), train_bc.SMOKE if smoke else [])
    cli.load_tensorflow(get["threads"])
    from mgail_tf import imitation

    rows = experts.rows(task)
    for algorithm, chosen in (("bc", cloning), ("mgail", settings)):
        job = imitation.Imitation(
            algorithm, task, chosen, seed, out / algorithm, episodes=2 if smoke else 50
        )
        rows += (imitation.imitate_once if get["resume"] else imitation.imitate)(job)
    cli.print_scores(rows)
    print(f"\npolicy:         {out}/mgail/saved_model\nlearning curve: {out}/mgail/curve.png")
    print(f"result rows:    {out}/mgail/results.csv")


def main(argv: list[str]) -> int:
    """Return the exit code."""
    return cli.run(job, FLAGS, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
