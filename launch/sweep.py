"""Train an imitator over tasks, variants and seeds, --jobs runs at once, each on its own core.

    python launch/sweep.py --tasks=hopper --variants=paper,paper+cloning,default --seeds=0,1

A run whose rows the CSV has (by task, algorithm, variant and seed, whatever --set says: give other
settings another CSV) is not made again, and one that was stopped goes on: an interrupted sweep is
taken up by the same command. What a run prints is in a .log file beside its folder. In --demos,
{task} stands for the task's name: --demos=mine/{task}.npz.
"""

import csv
import itertools
import os
import queue
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from absl import flags

from launch import cli
from mgail_tf import tables
from mgail_tf.overrides import override
from mgail_tf.tasks import TASKS, for_task
from mgail_tf.types import BadInput

FLAGS = cli.define(set=None, smoke=False, results=None, demos=None, out="runs/sweep")
flags.DEFINE_enum(
    "algorithm", "mgail", ["bc", "gail", "mgail"], "Which imitator.", flag_values=FLAGS
)
flags.DEFINE_list("tasks", list(TASKS), "Tasks, between commas.", flag_values=FLAGS)
flags.DEFINE_list("variants", ["default"], "Variants, between commas.", flag_values=FLAGS)
flags.DEFINE_list("seeds", ["0"], "Seeds, between commas.", flag_values=FLAGS)
flags.DEFINE_integer("jobs", 1, "Runs at once, a core each.", lower_bound=1, flag_values=FLAGS)


def _demos(get: dict, task: str) -> Path | None:
    return Path(get["demos"].replace("{task}", task)) if get["demos"] else None


class _Run(NamedTuple):
    task: str
    algorithm: str
    variant: str
    seed: str

    def __str__(self) -> str:
        return f"{self.algorithm} {self.task} {self.variant} seed {self.seed}"


def _made(results: Path) -> set[_Run]:
    """Return the runs that have both their rows, of the deterministic and the sampled policy."""
    tables.check_table(results, tables.RUN_COLUMNS)
    if not results.exists():
        return set()
    with results.open(newline="") as file:
        rows = [_Run(*(row[name] for name in _Run._fields)) for row in csv.DictReader(file)]
    return {run for run in rows if rows.count(run) > 1}


def _wanted(get: dict) -> list[_Run]:
    """Return the runs that the flags name, after checking each."""
    for name in ("tasks", "variants", "seeds"):
        if not get[name]:
            raise BadInput(f"--{name}: found none, expected one or more")
    for seed in get["seeds"]:
        if not (seed.isascii() and seed.isdigit() and str(int(seed)) == seed):
            raise BadInput(f"--seeds: found {seed!r}, expected integers such as 0,1,2")
    for task in get["tasks"]:
        if task not in TASKS:
            raise BadInput(f"--tasks: found {task!r}, expected some of {', '.join(TASKS)}")
        if (demos := _demos(get, task)) and not demos.is_file():
            raise BadInput(f"--demos: {demos}: no such file")
    for task, variant in itertools.product(get["tasks"], get["variants"]):
        override(for_task(get["algorithm"], task, variant), get["set"] or [])
    every = itertools.product(get["variants"], get["tasks"], get["seeds"])
    return list(dict.fromkeys(_Run(task, get["algorithm"], v, seed) for v, task, seed in every))


def _train(run: _Run, get: dict, results: Path, cores: "queue.Queue[int]") -> bool:
    """Make one run on a core that is free; return whether it ended well."""
    folder = Path(get["out"]) / f"{run.algorithm}-{run.task}-{run.variant}-seed{run.seed}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    script = Path(__file__).with_name(f"train_{run.algorithm}.py")
    command = [sys.executable, str(script), f"--task={run.task}", f"--variant={run.variant}"]
    command += [f"--seed={run.seed}", f"--out={folder}", f"--results={results}", "--resume"]
    command += ["--smoke"] if get["smoke"] else []
    command += [f"--demos={demos}"] if (demos := _demos(get, run.task)) else []
    command += [word for change in get["set"] or [] for word in ("--set", change)]
    core = cores.get()
    try:
        print(f"begun: {run}", flush=True)
        with folder.with_suffix(".log").open("a+") as log:
            place = log.seek(0, os.SEEK_END)
            child = subprocess.Popen(command, stdout=log, stderr=log)
            os.sched_setaffinity(child.pid, {core})
            code = child.wait()
            log.seek(place)
            lines = log.read().replace("\r", "\n").strip().split("\n")
        ends = {0: f"done: {run}", 130: f"stopped: {run}"}
        print(ends.get(code, f"failed with code {code}: {run}: {lines[-1]}"), flush=True)
        return code == 0
    finally:
        cores.put(core)


def job() -> None:
    """Run what the flags say."""
    get = cli.read(FLAGS)
    wanted = _wanted(get)
    usable = sorted(os.sched_getaffinity(0))
    if get["jobs"] > len(usable):
        raise BadInput(f"--jobs={get['jobs']}: expected at most {len(usable)}, the cores here")
    results = Path(get["results"] or f"{get['out']}/runs.csv")
    made = _made(results)
    left = [run for run in wanted if run not in made]
    print(f"{len(wanted)} runs, {len(wanted) - len(left)} of them in {results} already", flush=True)
    cores: queue.Queue[int] = queue.Queue()
    for core in usable[: get["jobs"]]:
        cores.put(core)
    with ThreadPoolExecutor(get["jobs"]) as pool:
        futures = [pool.submit(_train, run, get, results, cores) for run in left]
        try:
            well = [future.result() for future in futures]
        except KeyboardInterrupt:  # the runs got it too, and save themselves
            pool.shutdown(wait=True, cancel_futures=True)
            raise KeyboardInterrupt(
                "the same command goes on with the runs that are left"
            ) from None
    if not all(well):
        raise BadInput(f"{well.count(False)} of {len(left)} runs failed, see the .log files there")
    print(f"{results}: all {len(wanted)} runs")


def main(argv: list[str]) -> int:
    """Return the exit code."""
    return cli.run(job, FLAGS, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
