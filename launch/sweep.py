"""Train over algorithms, tasks, dataset sizes, presets and seeds, many runs at once.

    python launch/sweep.py --tasks=hopper,ant --presets=paper,default --seeds=0,1 --jobs=2
    python launch/sweep.py --algorithms=bc,gail,mgail --num_trajectories=paper --seeds=0,1,2 \
        --engine=ray --out=runs/table1

Every run has its own folder in --out, and a .log file beside it with what it printed. The same
command goes on where it was stopped and makes no run twice. At the end the rows of all its runs are
in runs.csv and curves.csv in --out; launch/collect.py merges them into other tables. In --demos,
{task} stands for the task's name: --demos=mine/{task}.npz.

--engine=local makes --jobs runs at once, each on its own core. --engine=ray makes them on the CPUs
of a Ray cluster that this machine is part of (`ray start --head` here, `ray start --address=...`
elsewhere); a run whose machine dies goes on on another one. docs/scale.md tells more.
"""

import dataclasses
import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import _flags
from absl import flags

import mgail_tf as mg
from mgail_tf.config.presets import ablations, has_effect
from mgail_tf.config.tasks import TASKS
from mgail_tf.envs.gym_env import make
from mgail_tf.policies import experts
from mgail_tf.policies.numpy_policy import sha256
from mgail_tf.reporting import collect
from mgail_tf.reporting.tables import read
from mgail_tf.sweeps import cluster, local
from mgail_tf.sweeps.overview import Durations, Overview, shortest_first
from mgail_tf.sweeps.runs import Run, claimed
from mgail_tf.training.provenance import arrays_sha256, commit

_ROOT = Path(__file__).resolve().parents[1]
_SAME = ("env_steps", "subsample", "held_out_trajectories", "env_kwargs")  # flags of every run

FLAGS = _flags.define(
    *("set", "smoke", "demos", "env_steps", "label", "episodes", "subsample"),
    *("held_out_trajectories", *_flags.ENVIRONMENT),
    out="runs/sweep",
    checkpoint_every=60.0,
)


def _list(name: str, default: list[str], text: str) -> None:
    flags.DEFINE_list(name, default, f"{text}, between commas.", flag_values=FLAGS)


_list("algorithms", ["mgail"], "bc, gail, mgail")
_list("tasks", list(TASKS), "Tasks or ids")
_list("presets", ["default"], "Presets")
_list("num_trajectories", [], "Dataset sizes; paper: those of its Table 1; default: the task's")
_list("seeds", ["0"], "Seeds")
flags.DEFINE_boolean(
    "ablations",
    False,
    "Instead of presets: paper+X and default-X for every X that has an effect.",
    flag_values=FLAGS,
)
flags.DEFINE_enum(
    *("order", "listed", ["listed", "shortest"]),
    "Which runs begin first: as listed, or those that take least by what is known.",
    flag_values=FLAGS,
)
flags.DEFINE_enum(
    "engine", "local", ["local", "ray"], "This machine, or a Ray cluster.", flag_values=FLAGS
)
flags.DEFINE_integer(
    "jobs", 1, "Runs at once, a core each (local).", lower_bound=1, flag_values=FLAGS
)
flags.DEFINE_string("address", "auto", "The cluster: auto, or HOST:PORT (ray).", flag_values=FLAGS)
flags.DEFINE_enum(
    *("storage", "objects", ["objects", "shared"]),
    "How folders come back: through Ray, or --out is one that all machines see (ray).",
    flag_values=FLAGS,
)
flags.DEFINE_float(
    "bring_every",
    300.0,
    "Seconds between unfinished folders that come back (ray).",
    1.0,
    flag_values=FLAGS,
)
flags.DEFINE_float("gpus", 0.0, "GPUs of a run (ray).", 0.0, flag_values=FLAGS)


def _wanted(get: dict[str, Any]) -> list[Run]:
    """Return the runs that the flags name, after checking each."""
    for name in ("algorithms", "tasks", "presets", "seeds"):
        if not get[name]:
            raise mg.BadInput(f"--{name}: found none, expected one or more")
        get = {**get, name: [*dict.fromkeys(get[name])]}
    for algorithm in get["algorithms"]:
        if algorithm not in ("bc", "gail", "mgail"):
            raise mg.BadInput(f"--algorithms: found {algorithm!r}, expected bc, gail, mgail")
    _check_whole("seeds", get["seeds"])
    data = {task: _data(get, task) for task in get["tasks"]}
    if get["label"] and (get["ablations"] or len(get["presets"]) > 1):
        raise mg.BadInput(f"--label={get['label']}: found several variants, expected one")
    variants: dict[str, tuple[str, dict[str, Any]]]
    variants = {_flags.label_of(get, preset): (preset, {}) for preset in get["presets"]}
    if get["ablations"]:
        variants = ablations()
    return [
        _run(get, algorithm, task, count, label, variant, seed, data[task])
        for algorithm, (label, variant), task in itertools.product(
            get["algorithms"], variants.items(), get["tasks"]
        )
        if has_effect(label, _subsample(get, task))
        for count, seed in itertools.product(_sizes(get, task, data[task].pool), get["seeds"])
    ]


def _check_whole(name: str, values: list[str]) -> None:
    for value in values:
        if not (value.isascii() and value.isdigit() and str(int(value)) == value):
            raise mg.BadInput(f"--{name}: found {value!r}, expected integers such as 0,1,2")


def _sizes(get: dict[str, Any], task: str, shown: mg.Demonstrations | None) -> Iterator[int | None]:
    """Yield the dataset sizes of a task; None is its smallest, or of another environment all."""
    given = get["num_trajectories"]
    name, _ = _flags.environment(get, task)
    if given == ["paper"]:
        rows = read(experts.results_folder() / "paper_table1.csv", ("task", "trajectories"))
        given = sorted(rows.loc[rows["task"] == name, "trajectories"].unique().tolist())
        if not given:
            expected = f"expected one of {', '.join(TASKS)}"
            raise mg.BadInput(f"--num_trajectories=paper: found --tasks={task}, {expected}")
    else:
        _check_whole("num_trajectories", given)
    there = TASKS[name].pool if shown is None else len(shown)
    for count in map(int, dict.fromkeys(given)):
        if not 0 < count <= there:
            expected = f"expected 1 to {there}, those of {task}"
            raise mg.BadInput(f"--num_trajectories: found {count}, {expected}")
        yield count
    if not given:
        yield None


def _subsample(get: dict[str, Any], task: str) -> int:
    return _flags.sizes({**get, "task": _flags.environment(get, task)[0]})[1]


def _demos(get: dict[str, Any], task: str) -> str | None:
    return get["demos"].replace("{task}", task) if get["demos"] else None


class _Data(NamedTuple):
    """What is known of a task's environment and demonstrations before its runs."""

    pool: mg.Demonstrations | None  # of --demos; None: the committed expert's
    sha256: str | None  # of it; None: the expert's are not recorded yet
    env_kwargs: str | None

    def described(
        self, get: dict[str, Any], task: str, count: int | None, seed: int
    ) -> dict[str, Any]:
        """Return what the config.json of a run on so many trajectories says of them."""
        shown, every = _flags.sizes({**get, "task": task, "num_trajectories": count})
        held, held_sha256 = get["held_out_trajectories"], None
        if held and self.pool is not None:
            held_sha256 = arrays_sha256(self.pool.held_out(held, seed).states)
        return {
            "env_kwargs": self.env_kwargs,
            "subsample": every,
            **({"num_trajectories": shown} if shown else {}),
            **({"demos_sha256": self.sha256} if self.sha256 else {}),
            **({"held_out_sha256": held_sha256} if held_sha256 or not held else {}),
        }


def _data(get: dict[str, Any], task: str) -> _Data:
    """Return what is known of a task, after checking that its demonstrations fit."""
    demos = _demos(get, task)
    name, env = _flags.environment(get, task)
    if name not in TASKS and not demos:
        raise mg.BadInput(f"--tasks: found {task!r}, expected --demos with it")
    kwargs = make(env, 0).spec.env_kwargs if get["env_kwargs"] else None
    if not demos:
        recorded = experts.recorded_path(name, TASKS[name].pool)
        return _Data(None, sha256(recorded) if recorded.exists() else None, kwargs or None)
    try:
        pool = mg.Demonstrations.load(demos).for_spec(make(env, 0).spec)
    except mg.BadInput as error:
        raise mg.BadInput(f"--demos: {error}") from error
    return _Data(pool, pool.sha256, kwargs or None)


def _run(
    get: dict[str, Any],
    algorithm: str,
    task: str,
    count: int | None,
    label: str,
    variant: tuple[str, dict[str, Any]],
    seed: str,
    data: _Data,
) -> Run:
    """Return one run of a variant (preset, settings); refuse settings that are not possible."""
    preset, settings = variant
    changes = [*(f"{key}={value}" for key, value in settings.items()), *get["set"]]
    name, _ = _flags.environment(get, task)
    given = {**get, "task": name, "preset": preset, "set": changes}
    config, total = _flags.settings(algorithm, given)
    described: dict[str, Any] = {"variant": label, "seed": int(seed)}
    described["config"] = json.loads(json.dumps(dataclasses.asdict(config)))
    described |= {} if algorithm == "bc" else {"env_steps": total}
    described |= data.described(get, name, count, int(seed))
    size = f"-n{count}" if count else ""
    out = Path(get["out"])
    out = out.resolve() if get["engine"] == "ray" else out  # processes of Ray begin elsewhere
    folder = out / _flags.as_file_name(f"{algorithm}-{task}{size}-{label}-seed{seed}")
    words = [f"--task={task}", f"--label={label}", f"--seed={seed}"]
    words += [f"--preset={preset}"] if algorithm == "mgail" else []  # the others have one only
    words += [f"--{key}={get[key]}" for key in ("episodes", "checkpoint_every")]
    words += [f"--num_trajectories={count}"] if count else []
    words += [f"--set={change}" for change in changes]
    words += [f"--import={module}" for module in get["import"]]
    same = [key for key in _SAME if key != "env_steps" or algorithm != "bc"]
    words += [f"--{key}={get[key]}" for key in same if get[key]]
    words += ["--smoke"] if get["smoke"] else []
    demos = _demos(get, task)
    return Run(algorithm, task, label, count, int(seed), folder, tuple(words), described, demos)


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    wanted = _wanted(get)
    if get["engine"] == "local":
        local.check_jobs(get["jobs"])
    elif get["jobs"] != 1:
        raise mg.BadInput(f"--jobs={get['jobs']}: expected --engine=local; Ray counts its CPUs")
    with claimed(Path(get["out"])):
        _make(get, wanted)


def _make(get: dict[str, Any], wanted: list[Run]) -> None:
    """Make the runs that are left, then the tables of all."""
    on_ray = get["engine"] == "ray"
    cluster.settle(wanted)
    left = [run for run in wanted if not run.made()]
    durations = Durations(experts.results_folder() / "runs.csv")
    if get["order"] == "shortest":
        left = shortest_first(left, durations)
    overview = Overview(left, durations, len(wanted) - len(left))
    print(f"{len(wanted)} runs, {len(wanted) - len(left)} of them finished", flush=True)
    try:
        failed = _on_ray(get, left, overview) if on_ray else _here(get, left, overview)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the same command goes on with the runs that are left") from None
    done = [run.folder for run in wanted if run.made()]
    for table, _, rows in collect.merge(done, Path(get["out"]), replace=True) if done else []:
        print(f"{table}: {rows} rows")
    if failed:
        raise mg.BadInput(f"{failed} of {len(left)} runs failed, see the .log files")


def _here(get: dict[str, Any], runs: list[Run], overview: Overview) -> int:
    return local.make_all(runs, _ROOT, get["jobs"], overview)


def _on_ray(get: dict[str, Any], runs: list[Run], overview: Overview) -> int:
    shared = get["storage"] == "shared"
    modules = [*get["import"], *(task.split(":")[0] for task in get["tasks"] if ":" in task)]
    machines = cluster.Cluster(get["address"], shared, get["bring_every"], get["gpus"])
    return cluster.make_all(runs, _ROOT, machines, overview, modules, commit())


main = _flags.script(job, FLAGS)

if __name__ == "__main__":
    sys.exit(main(sys.argv))
