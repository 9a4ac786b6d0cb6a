"""Train on the practice set: small tasks outside the paper, with the default settings.

    python launch/practice.py --out=runs/practice
    python launch/practice.py --tasks=point_mass --trajectories=1,5,50 --seeds=0,1,2

Demonstrations are of scripted experts, every pair of them. --set changes MGAIL's settings only.
Called again, it goes on where it was stopped. The point mass has a success rate too: the share of
its episodes that end at the goal. lunar_lander needs `pip install "gymnasium[box2d]"`.
"""

import json
import sys
from pathlib import Path
from typing import Any

import _flags
from absl import flags

import mgail_tf as mg
from mgail_tf.config.algorithms import CONFIGS
from mgail_tf.reporting import tables

FLAGS = _flags.define("set", "env_steps", "episodes", "threads", out="runs/practice")
flags.DEFINE_list("tasks", [], "Tasks, between commas. Default: all.", flag_values=FLAGS)
flags.DEFINE_list("algorithms", ["bc", "mgail"], "Of bc, gail, mgail.", flag_values=FLAGS)
flags.DEFINE_list("trajectories", ["5"], "Demonstrated, between commas.", flag_values=FLAGS)
flags.DEFINE_list("seeds", ["0"], "Seeds, between commas.", flag_values=FLAGS)
flags.DEFINE_string(
    "table", None, "CSV to merge the rows into. Default: practice.csv in --out", flag_values=FLAGS
)

STEPS = {"bc": 0, "gail": 300_000, "mgail": 20_000}
COLUMNS = (
    *("task", "algorithm", "num_trajectories", "seed", "env_steps", "mode"),
    *("return_mean", "return_std_over_episodes", "length_mean", "normalised", "success_rate"),
    *("wall_seconds", "commit"),
)
KEY = COLUMNS[:6]


def _numbers(get: dict[str, Any], name: str, least: int) -> list[int]:
    """Return the numbers between the commas of a flag.

    Raises:
        BadInput: one is no number, or too small.
    """
    for text in get[name]:
        if not text.isdigit() or int(text) < least:
            raise mg.BadInput(f"--{name}: found {text!r}, expected whole numbers from {least} on")
    return [int(text) for text in get[name]]


def _rows(run_dir: Path, task: str) -> list[dict[str, Any]]:
    """Return the table's rows of a finished run, one for each mode of acting."""
    final = json.loads((run_dir / "final.json").read_text())
    rows = [{**row, "task": task} for row in final["rows"]]
    for row in rows:
        success = final["success_rates"][row["mode"]]
        row["success_rate"] = "" if success is None else round(success, 4)
    return [{column: row[column] for column in COLUMNS} for row in rows]


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    from mgail_tf.studies import practice

    tasks = get["tasks"] or list(practice.PRACTICE)
    trajectories, seeds = _numbers(get, "trajectories", 1), _numbers(get, "seeds", 0)
    for name, known in (("tasks", practice.PRACTICE), ("algorithms", STEPS)):
        for found in get[name]:
            if found not in known:
                raise mg.BadInput(f"--{name}: found {found!r}, expected some of {', '.join(known)}")
    configs = {
        name: mg.override(CONFIGS[name](), get["set"] if name == "mgail" else [])
        for name in get["algorithms"]
    }
    out = Path(get["out"])
    table = Path(get["table"] or out / "practice.csv")
    tables.check(table, COLUMNS)
    _flags.load_tensorflow(get["threads"])
    agents = {"bc": mg.BC, "gail": mg.GAIL, "mgail": mg.MGAIL}
    print(f"{'task':16}{'algorithm':10}{'shown':>6}{'seed':>6}{'return':>10}{'normalised':>12}")
    for task in tasks:
        for count in trajectories:
            for seed in seeds:
                shown = practice.demonstrate(task, count, seed)
                for name, config in configs.items():
                    run_dir = out / f"{task}-{count}" / f"{name}-{seed}"
                    env = practice.PRACTICE[task].make
                    agent = agents[name](env, shown, config, seed)
                    steps = () if name == "bc" else (get["env_steps"] or STEPS[name],)
                    agent.learn(*steps, run_dir, resume=True, episodes=get["episodes"])
                    rows = _rows(run_dir, task)
                    tables.merge(table, rows, KEY)
                    print(
                        f"{task:16}{name:10}{count:6}{seed:6}{rows[0]['return_mean']:10.1f}"
                        f"{rows[0]['normalised']:12.3f}",
                        flush=True,
                    )


main = _flags.script(job, FLAGS)

if __name__ == "__main__":
    sys.exit(main(sys.argv))
