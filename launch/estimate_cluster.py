"""Estimate how long the runs behind Table 1 take on ever more cores, from measured durations.

    python launch/estimate_cluster.py --cores=2,16,256,4096 --failures_per_hour=0.01

Every size of the paper's datasets is one run a seed and algorithm. What a run takes is the median
of the runs of its algorithm and task in results/runs.csv that are labelled `default`. The order
matters where cores are many: --order=longest begins what takes longest first. The table is printed,
and written with --table.
"""

import sys
from pathlib import Path
from typing import Any

import _flags
import pandas as pd
from absl import flags

import mgail_tf as mg
from mgail_tf.config.tasks import TASKS, budget
from mgail_tf.files import check_absent
from mgail_tf.policies import experts
from mgail_tf.reporting import tables
from mgail_tf.studies import cluster_time

FLAGS = _flags.define()
flags.DEFINE_list("cores", ["2", "16", "256", "4096"], "Between commas.", flag_values=FLAGS)
flags.DEFINE_list(
    "seeds", ["bc:5", "gail:3", "mgail:5"], "Seeds of each algorithm.", flag_values=FLAGS
)
flags.DEFINE_enum(
    "order", "longest", ["longest", "shortest", "listed"], "Of the runs.", flag_values=FLAGS
)
flags.DEFINE_float("failures_per_hour", 0.0, "Of a core's machine.", 0.0, flag_values=FLAGS)
flags.DEFINE_float("bring_every", 300.0, "As of sweep.py.", 1.0, flag_values=FLAGS)
flags.DEFINE_string("runs", None, "Measured runs; default: results/runs.csv.", flag_values=FLAGS)
flags.DEFINE_string("table", None, "CSV to write.", flag_values=FLAGS)


def _jobs(get: dict[str, Any]) -> list[cluster_time.Job]:
    """Return the runs of the campaign in the order of the flags."""
    path = Path(get["runs"] or experts.results_folder() / "runs.csv")
    measured = tables.read(path, ("algorithm", "task", "variant", "mode", "wall_seconds"))
    measured = measured.query("mode == 'deterministic' and variant == 'default'")
    seconds = measured.groupby(["algorithm", "task"])["wall_seconds"].median().to_dict()
    sizes = tables.read(experts.results_folder() / "paper_table1.csv", ("task", "trajectories"))
    jobs = []
    for word in get["seeds"]:
        algorithm, _, count = word.partition(":")
        if algorithm not in ("bc", "gail", "mgail") or not count.isdigit():
            raise mg.BadInput(f"--seeds: found {word!r}, expected such as mgail:5")
        for task in TASKS:
            if (algorithm, task) not in seconds:
                raise mg.BadInput(f"{path}: found no run of {algorithm} on {task}")
            cells = sizes.loc[sizes["task"] == task, "trajectories"].nunique()
            size = cluster_time.archive_bytes(algorithm, task, budget(algorithm, task))
            job = cluster_time.Job(seconds[algorithm, task], size)
            jobs += [job] * (cells * int(count))
    if get["order"] != "listed":
        jobs.sort(reverse=get["order"] == "longest")
    return jobs


def job(get: dict[str, Any]) -> None:
    """Print the table that the flags describe."""
    if get["table"]:
        check_absent(Path(get["table"]))
    jobs = _jobs(get)
    rows: list[dict[str, str]] = []
    for count in get["cores"]:
        if not count.isdigit() or not int(count):
            raise mg.BadInput(f"--cores: found {count!r}, expected integers such as 2,16")
        machines = cluster_time.Machines(int(count), get["failures_per_hour"], get["bring_every"])
        row = cluster_time.simulate(jobs, machines)
        rows.append({name: f"{value:.4g}" for name, value in row.items()})
    print(f"{len(jobs)} runs\n{pd.DataFrame(rows).to_string(index=False)}")
    if get["table"]:
        tables.write(Path(get["table"]), cluster_time.COLUMNS, rows)


main = _flags.script(job, FLAGS)

if __name__ == "__main__":
    sys.exit(main(sys.argv))
