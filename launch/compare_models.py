"""Compare what the forward models foresee: Section 3.5's, without its parts, and the vanilla one.

python launch/compare_models.py --tasks=hopper,ant --seeds=0,1,2

Errors are root mean squares over components of the standardised state, after 1, 5 and 16 steps
along recorded actions. What is in the table already is not made again.
"""

import sys
from pathlib import Path
from typing import Any

import _flags
from absl import flags

import mgail_tf as mg
from mgail_tf.config.tasks import TASKS
from mgail_tf.reporting import tables
from mgail_tf.training import provenance

FLAGS = _flags.define("threads", "smoke")
flags.DEFINE_list("tasks", list(TASKS), "Tasks, between commas.", flag_values=FLAGS)
flags.DEFINE_list("seeds", ["0"], "Seeds, between commas.", flag_values=FLAGS)
flags.DEFINE_string("table", "runs/models.csv", "CSV to merge the rows into.", flag_values=FLAGS)


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    for task in get["tasks"]:
        if task not in TASKS:
            raise mg.BadInput(f"--tasks: found {task!r}, expected some of {', '.join(TASKS)}")
    for seed in get["seeds"]:
        if not seed.isdigit():
            raise mg.BadInput(f"--seeds: found {seed!r}, expected whole numbers")
    _flags.load_tensorflow(get["threads"])
    from mgail_tf.networks.forward_model import FORWARD_MODELS
    from mgail_tf.studies import model_comparison as study

    table = Path(get["table"])
    tables.check(table, study.COLUMNS)
    steps, updates = (400, 50) if get["smoke"] else (study.STEPS, study.UPDATES)
    print(f"{'task':12}{'model':20}{'seed':>5}{'1 step':>10}{'5 steps':>10}{'16 steps':>10}")
    for task in get["tasks"]:
        for seed in map(int, get["seeds"]):
            wanted = {"task": task, "seed": str(seed), "updates": str(updates)}
            held = [
                row
                for row in tables.held(table, study.COLUMNS)
                if all(row[name] == value for name, value in wanted.items())
            ]
            left = [name for name in FORWARD_MODELS if name not in [row["model"] for row in held]]
            rows: list[dict[str, Any]] = [*held]
            for row in study.compare(task, seed, left, steps, updates) if left else ():
                rows.append({**row, "commit": provenance.commit()})
                tables.merge(table, rows[-1:], study.KEY)
            for row in rows:
                errors = "".join(f"{float(row[f'error_{k}']):10.4f}" for k in study.HORIZONS)
                print(f"{task:12}{row['model']:20}{seed:5}{errors}", flush=True)


main = _flags.script(job, FLAGS)

if __name__ == "__main__":
    sys.exit(main(sys.argv))
