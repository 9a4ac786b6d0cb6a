"""Train over tasks, presets and seeds, --jobs runs at once, each on its own core.

    python launch/sweep.py --tasks=hopper,ant --presets=paper,default --seeds=0,1 --jobs=2

Every run has its own folder in --out, and a .log file beside it with what it printed. The same
command goes on where it was stopped and makes no run twice. At the end the rows of all its runs are
in runs.csv and curves.csv in --out; launch/collect.py merges them into other tables. In --demos,
{task} stands for the task's name: --demos=mine/{task}.npz.
"""

import dataclasses
import itertools
import json
import os
import queue
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import _flags
from absl import flags

import mgail_tf as mg
from mgail_tf.config.presets import ablations
from mgail_tf.config.tasks import TASKS
from mgail_tf.envs.gym_env import make
from mgail_tf.errors import one_line
from mgail_tf.reporting import collect

FLAGS = _flags.define(
    *("set", "smoke", "demos", "env_steps", "label", "episodes", *_flags.ENVIRONMENT),
    out="runs/sweep",
)
flags.DEFINE_enum("algorithm", "mgail", ["bc", "gail", "mgail"], "Which one.", flag_values=FLAGS)
flags.DEFINE_list("tasks", list(TASKS), "Tasks or ids, between commas.", flag_values=FLAGS)
flags.DEFINE_list("presets", ["default"], "Presets, between commas.", flag_values=FLAGS)
flags.DEFINE_boolean(
    "ablations", False, "Instead of presets: paper+X and default-X for every X.", flag_values=FLAGS
)
flags.DEFINE_list("seeds", ["0"], "Seeds, between commas.", flag_values=FLAGS)
flags.DEFINE_integer("jobs", 1, "Runs at once, a core each.", lower_bound=1, flag_values=FLAGS)


class _Run(NamedTuple):
    """One run of the sweep."""

    algorithm: str
    task: str
    label: str
    seed: int
    folder: Path
    flags: tuple[str, ...]
    described: dict[str, Any]  # entries of its config.json

    def __str__(self) -> str:
        return f"{self.algorithm} {self.task} {self.label} seed {self.seed}"

    def made(self) -> bool:
        """Return whether the run is finished.

        Raises:
            BadInput: its folder holds another finished run.
        """
        path = self.folder / "config.json"
        if not (self.folder / "final.json").exists():
            return False
        try:
            found = json.loads(path.read_text())
            differing = [name for name, value in self.described.items() if found[name] != value]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise mg.BadInput(f"{path}: not that of a run ({one_line(error)})") from error
        if differing:
            raise mg.BadInput(f"{path}: {differing[0]}: another run's; choose another --out")
        return True


def _wanted(get: dict[str, Any]) -> list[_Run]:
    """Return the runs that the flags name, after checking each."""
    for name in ("tasks", "presets", "seeds"):
        if not get[name]:
            raise mg.BadInput(f"--{name}: found none, expected one or more")
    for seed in get["seeds"]:
        if not (seed.isascii() and seed.isdigit() and str(int(seed)) == seed):
            raise mg.BadInput(f"--seeds: found {seed!r}, expected integers such as 0,1,2")
    digests: dict[str, str | None] = {}  # of the tasks' demonstrations
    for task in get["tasks"]:
        demos = _demos(get, task)
        try:
            digests[task] = mg.Demonstrations.load(demos).sha256 if demos else None
        except mg.BadInput as error:
            raise mg.BadInput(f"--demos: {error}") from error
        name, env = _flags.environment(get, task)
        if name not in TASKS:
            if not demos:
                raise mg.BadInput(f"--tasks: found {task!r}, expected --demos with it")
            make(env, 0)
    if get["label"] and (get["ablations"] or len(get["presets"]) > 1):
        raise mg.BadInput(f"--label={get['label']}: found several variants, expected one")
    variants: dict[str, tuple[str, dict[str, Any]]]
    variants = {get["label"] or preset: (preset, {}) for preset in get["presets"]}
    if get["ablations"]:
        variants = ablations()
    each = itertools.product(variants.items(), get["tasks"], dict.fromkeys(get["seeds"]))
    return [
        _run(get, task, label, variant, seed, digests[task])
        for (label, variant), task, seed in each
    ]


def _demos(get: dict[str, Any], task: str) -> str | None:
    return get["demos"].replace("{task}", task) if get["demos"] else None


def _run(
    get: dict[str, Any],
    task: str,
    label: str,
    variant: tuple[str, dict[str, Any]],
    seed: str,
    digest: str | None,
) -> _Run:
    """Return one run of a variant (preset, settings); refuse settings that are not possible."""
    preset, settings = variant
    algorithm = get["algorithm"]
    changes = [*(f"{key}={value}" for key, value in settings.items()), *get["set"]]
    name, env = _flags.environment(get, task)
    given = {**get, "task": name, "preset": preset, "set": changes}
    config, total = _flags.settings(algorithm, given)
    described: dict[str, Any] = {"variant": label, "seed": int(seed)}
    described["config"] = json.loads(json.dumps(dataclasses.asdict(config)))
    described |= {} if algorithm == "bc" else {"env_steps": total}
    if get["env_kwargs"]:
        described["env_kwargs"] = make(env, 0).spec.env_kwargs
    folder = Path(get["out"]) / _flags.as_file_name(f"{algorithm}-{task}-{label}-seed{seed}")
    words = [f"--task={task}", f"--preset={preset}", f"--label={label}", f"--seed={seed}"]
    words += [f"--out={folder}", "--resume", f"--episodes={get['episodes']}"]
    words += [f"--set={change}" for change in changes]
    words += [f"--import={module}" for module in get["import"]]
    words += [f"--env_kwargs={get['env_kwargs']}"] if get["env_kwargs"] else []
    words += ["--smoke"] if get["smoke"] else []
    words += [f"--env_steps={get['env_steps']}"] if get["env_steps"] else []
    if demos := _demos(get, task):
        words.append(f"--demos={demos}")
        described["demos_sha256"] = digest
    return _Run(algorithm, task, label, int(seed), folder, tuple(words), described)


def _train(run: _Run, cores: "queue.Queue[int]") -> bool:
    """Make one run on a core that is free; return whether it ended well."""
    run.folder.parent.mkdir(parents=True, exist_ok=True)
    script = Path(__file__).with_name(f"train_{run.algorithm}.py")
    core = cores.get()
    try:
        print(f"begun: {run}", flush=True)
        with run.folder.with_name(f"{run.folder.name}.log").open("a+") as log:
            place = log.seek(0, os.SEEK_END)
            command = [sys.executable, str(script), *run.flags]
            child = subprocess.Popen(command, stdout=log, stderr=log)
            if hasattr(os, "sched_setaffinity"):  # not on macOS
                os.sched_setaffinity(child.pid, {core})
            code = child.wait()
            log.seek(place)
            lines = log.read().replace("\r", "\n").strip().split("\n")
        ends = {0: f"done: {run}", 130: f"stopped: {run}"}
        print(ends.get(code, f"failed with code {code}: {run}: {lines[-1]}"), flush=True)
        return code == 0
    finally:
        cores.put(core)


def _cores() -> list[int]:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    wanted = _wanted(get)
    usable = _cores()
    if get["jobs"] > len(usable):
        raise mg.BadInput(f"--jobs={get['jobs']}: expected at most {len(usable)}, the cores here")
    left = [run for run in wanted if not run.made()]
    print(f"{len(wanted)} runs, {len(wanted) - len(left)} of them finished", flush=True)
    cores: queue.Queue[int] = queue.Queue()
    for core in usable[: get["jobs"]]:
        cores.put(core)
    with ThreadPoolExecutor(get["jobs"]) as pool:
        futures = [pool.submit(_train, run, cores) for run in left]
        try:
            well = [future.result() for future in futures]
        except KeyboardInterrupt:  # the runs got it too, and save themselves
            pool.shutdown(wait=True, cancel_futures=True)
            raise KeyboardInterrupt(
                "the same command goes on with the runs that are left"
            ) from None
    done = [run.folder for run in wanted if run.made()]
    for table, _, rows in collect.merge(done, Path(get["out"]), replace=True) if done else []:
        print(f"{table}: {rows} rows")
    if not all(well):
        raise mg.BadInput(f"{well.count(False)} of {len(left)} runs failed, see the .log files")


main = _flags.script(job, FLAGS)

if __name__ == "__main__":
    sys.exit(main(sys.argv))
