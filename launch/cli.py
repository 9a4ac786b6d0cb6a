"""What the scripts share: flags, exit codes, threads, the table of scores."""

import importlib
import os
import platform
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # acting is one small product at a time
if platform.machine() in ("x86_64", "AMD64"):  # or demonstrations depend on the processor: each
    os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")  # kernel rounds in its own way

from absl import flags

from mgail_tf.overrides import override
from mgail_tf.tasks import TASKS, for_task
from mgail_tf.types import BadInput, Diverged

_TASK_HELP = f"{', '.join(TASKS)}, or any Gymnasium id with a flat Box observation."


def define(**wanted: Any) -> flags.FlagValues:
    """Return a script's own flags: the shared ones named here, with their defaults.

    A script adds others with `flag_values=`. Each script has its own FlagValues, so that several
    can be imported in one process.
    """
    values = flags.FlagValues()
    shared: dict[str, tuple[Callable[..., Any], str]] = {
        "task": (flags.DEFINE_string, _TASK_HELP),
        "seed": (
            flags.DEFINE_integer,
            "Seed of everything random (reporting: 0-9, tuning: 100 up).",
        ),
        "out": (flags.DEFINE_string, "Folder to write; empty or absent. Default: runs/..."),
        "set": (flags.DEFINE_multi_string, "key=value: override a hyper-parameter; repeatable."),
        "smoke": (flags.DEFINE_boolean, "Do the same job in seconds, too short to learn."),
        "threads": (
            flags.DEFINE_integer,
            "TensorFlow threads; 1 leaves other cores to other runs.",
        ),
        "episodes": (flags.DEFINE_integer, "Evaluation episodes, in each mode."),
        "demos": (flags.DEFINE_string, "Demonstrations (npz); default: from the committed expert."),
        "num_trajectories": (flags.DEFINE_integer, "Expert trajectories; default: the task's."),
        "subsample": (flags.DEFINE_integer, "Keep one pair in so many; default: the task's."),
        "variant": (
            flags.DEFINE_string,
            "Settings: default, paper, released, hadamard_gru, paper+X or default-X, X an addition "
            "(variants.py); another name labels what --set gives.",
        ),
        "results": (flags.DEFINE_string, "CSV to append the result rows to; default: in --out."),
    }
    shared["resume"] = (
        flags.DEFINE_boolean,
        "Go on where the run in --out was stopped; begin it if there is none.",
    )
    shared["workers"] = (
        flags.DEFINE_integer,
        "Processes that step the environments (--set environments=N); changes no result.",
    )
    shared["checkpoint_every"] = (flags.DEFINE_float, "Seconds between checkpoints.")
    least = {
        "workers": 1,
        "checkpoint_every": 0,
        "seed": 0,
        "threads": 1,
        "episodes": 1,
        "num_trajectories": 1,
        "subsample": 1,
    }
    for name, default in wanted.items():
        definer, text = shared[name]
        bounds: dict[str, Any] = {"lower_bound": least[name]} if name in least else {}
        bounds |= {"upper_bound": 10**9} if name == "seed" else {}  # networks take 32 bits
        definer(name, default, text, flag_values=values, **bounds)
    return values


def _help(script: str, values: flags.FlagValues) -> str:
    """Return the usage of a script: its docstring, then its flags."""
    module = sys.modules.get(script) or sys.modules["__main__"]
    return f"{(module.__doc__ or '').strip()}\n\nflags:\n{values.get_help()}"


def run(job: Callable[[], None], values: flags.FlagValues, argv: Sequence[str]) -> int:
    """Parse the flags, do the job, return the exit code: 2 bad input, 1 diverged, in one line."""
    try:
        values.unparse_flags()
        for name in values:
            values[name].unparse()
        if {"--help", "-help", "--helpshort", "--helpfull", "-h"} & set(argv[1:]):
            print(_help(job.__module__, values))
            return 0
        rest = values(list(argv))[1:]
        if rest:
            raise BadInput(
                f"{' '.join(rest)}: found arguments without a flag, expected --flag=value"
            )
        warnings.showwarning = _show_warning
        job()
    except flags.Error as error:
        print(f"error: {' '.join(str(error).split())} (--help lists the flags)", file=sys.stderr)
        return 2
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # a full disk, a folder that was taken away, ...
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}; what was saved is kept", file=sys.stderr)
        return 2
    except Diverged as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as interrupt:
        reason = str(interrupt) or "what was written so far is kept"
        print(f"\ninterrupted; {reason}", file=sys.stderr)
        return 130
    return 0


def _show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    print(f"warning: {message}", file=sys.stderr)


def load_tensorflow(threads: int) -> None:
    """Import TensorFlow without its start-up chatter and pin it to `threads` threads.

    Called after cheap checks, as it takes seconds. A runtime that is already started keeps its
    threads, with a warning.
    """
    # a third of the compile time, and nothing lost at run time on the CPU (WORKSPACE.md)
    os.environ.setdefault("XLA_FLAGS", "--xla_llvm_disable_expensive_passes=true")
    sys.stderr.flush()
    terminal, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        import tensorflow as tf

        importlib.import_module("mgail_tf.export")  # Keras and TensorFlow Probability chatter too
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        os.close(null)
    if tf.config.threading.get_intra_op_parallelism_threads() != threads:
        try:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        except RuntimeError as error:
            warnings.warn(f"--threads has no effect: {error}", stacklevel=2)


def read(values: flags.FlagValues) -> dict[str, Any]:
    """Return the flags' values by name."""
    return {name: values[name].value for name in values}


def config(algorithm: str, values: flags.FlagValues, smoke: Sequence[str]) -> Any:
    """Return the settings: the task's, then --smoke's, then --set's."""
    get = read(values)
    settings = for_task(algorithm, get["task"], get.get("variant", "default"))
    settings = override(settings, smoke if get["smoke"] else [])
    return override(settings, get["set"] or [])


def _workers(get: dict[str, Any], settings: Any) -> int:
    """Return the number of processes, of which each needs an environment."""
    workers = get.get("workers", 1)
    if workers > 1 and workers > settings.environments:
        expected = f"at most {settings.environments} (--set environments=N)"
        raise BadInput(f"--workers={workers}: found {workers}, expected {expected}")
    return workers


def imitation(algorithm: str, values: flags.FlagValues, smoke: Sequence[str]) -> Any:
    """Return the job that an imitator's flags describe."""
    get = {**IMITATION_FLAGS, **read(values)}  # a script need not have all of them
    settings = config(algorithm, values, smoke)
    workers = _workers(get, settings)
    load_tensorflow(get["threads"])
    from mgail_tf.imitation import Imitation

    variant = get["variant"]
    name = f"{algorithm}-{get['task']}-{variant}-seed{get['seed']}"
    return Imitation(
        algorithm=algorithm,
        task=get["task"],
        config=settings,
        seed=get["seed"],
        out=Path(get["out"] or f"runs/{name.replace('/', '_')}"),
        variant=variant,
        demos_path=Path(get["demos"]) if get["demos"] else None,
        num_trajectories=get["num_trajectories"],
        subsample=get["subsample"],
        episodes=2 if get["smoke"] else get["episodes"],
        results_path=Path(get["results"]) if get["results"] else None,
        resume=get["resume"],
        checkpoint_every=get["checkpoint_every"],
        workers=workers,
    )


IMITATION_FLAGS: dict[str, Any] = {
    "task": "hopper",
    "seed": 0,
    "demos": None,
    "num_trajectories": None,
    "subsample": None,
    "variant": "default",
    "episodes": 50,
    "out": None,
    "results": None,
    "set": None,
    "smoke": False,
    "resume": False,
    "checkpoint_every": 60.0,
    "threads": 1,
}


def expert(values: flags.FlagValues, smoke: Sequence[str]) -> Any:
    """Return the job that train_expert's flags describe."""
    get = read(values)
    settings = config("trpo", values, smoke)
    workers = _workers(get, settings)
    load_tensorflow(get["threads"])
    from mgail_tf.expert_training import ExpertTraining

    return ExpertTraining(
        task=get["task"],
        config=settings,
        seed=get["seed"],
        out=Path(get["out"] or f"runs/trpo-{get['task'].replace('/', '_')}-seed{get['seed']}"),
        episodes=2 if get["smoke"] else get["episodes"],
        results_path=Path(get["results"]) if get["results"] else None,
        overrides=tuple(get["set"] or ()),
        resume=get["resume"],
        checkpoint_every=get["checkpoint_every"],
        workers=workers,
    )


def print_scores(rows: Sequence[dict[str, Any]]) -> None:
    """Print result rows as a table on standard output."""
    print(f"{'algorithm':12}{'mode':16}{'return':>10}{'std':>9}{'length':>9}{'normalised':>12}")
    for row in rows:
        numbers = [
            float(row[name])
            for name in ("return_mean", "return_std_over_episodes", "length_mean", "normalised")
        ]
        columns = "{:10.1f}{:9.1f}{:9.1f}{:12.3f}".format(*numbers)
        print(f"{row['algorithm']:12}{row['mode']:16}{columns}")
    steps, seconds = (float(rows[-1][name]) for name in ("env_steps", "wall_seconds"))
    if steps:
        print(
            f"{steps:,.0f} environment steps in {seconds:,.0f} s: {steps / seconds:,.0f} a second"
        )
