"""Measure whether the match with demonstrations ranks policies as their return does.

python launch/match_ranking.py --tasks=cartpole,hopper

26 policies a task, from the committed expert to random actions, see studies/match_ranking.py.
Prints Spearman's rho of each measure; a task that is in the table already is only read.
"""

import sys
from pathlib import Path
from typing import Any

import _flags
from absl import flags

import mgail_tf as mg
from mgail_tf.config.tasks import TASKS
from mgail_tf.reporting import tables

FLAGS = _flags.define("threads", "smoke")
flags.DEFINE_list("tasks", list(TASKS), "Tasks, between commas.", flag_values=FLAGS)
flags.DEFINE_string("table", "runs/match.csv", "CSV to merge the rows into.", flag_values=FLAGS)


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    for task in get["tasks"]:
        if task not in TASKS:
            raise mg.BadInput(f"--tasks: found {task!r}, expected some of {', '.join(TASKS)}")
    _flags.load_tensorflow(get["threads"])
    from mgail_tf.studies import match_ranking

    table = Path(get["table"])
    tables.check(table, match_ranking.COLUMNS)
    print("task".ljust(13) + "".join(name.rjust(21) for name in match_ranking.MEASURES))
    for task in get["tasks"]:
        held = tables.held(table, match_ranking.COLUMNS)
        rows: list[dict[str, Any]] = [row for row in held if row["task"] == task]
        if not rows:
            rows = list(match_ranking.measure(task, episodes=1 if get["smoke"] else 10))
            tables.merge(table, rows, match_ranking.KEY)
        found = match_ranking.correlation(rows)
        print(task.ljust(13) + "".join(f"{rho:21.2f}" for rho in found.values()), flush=True)


main = _flags.script(job, FLAGS)

if __name__ == "__main__":
    sys.exit(main(sys.argv))
