"""What the scripts share: flags, exit codes, threads, the table of scores."""

import contextlib
import importlib
import json
import os
import platform
import re
import shlex
import signal
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # acting is one small product at a time
# Each kernel of OpenBLAS rounds in its own way: with one of them demonstrations are the same on
# every processor that has it.
if platform.machine() in ("x86_64", "AMD64"):
    os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")

sys.path.append(os.getcwd())  # --task=my_module:MyEnv-v0 of a module in the current folder

import gymnasium
from absl import flags

import mgail_tf as mg
from mgail_tf import checkpoint
from mgail_tf.config.algorithms import CONFIGS, describe
from mgail_tf.config.presets import PRESETS
from mgail_tf.config.tasks import TASKS, budget, env_id_of, task_with_id
from mgail_tf.envs.gym_env import EnvLike, Registered, make
from mgail_tf.envs.rollout import Policy, SteppedPolicy
from mgail_tf.errors import one_line
from mgail_tf.files import check_free
from mgail_tf.policies import experts, onnx_policy
from mgail_tf.policies.composed import AnyPolicy
from mgail_tf.policies.numpy_policy import read_arrays, read_description
from mgail_tf.training import compile_cache
from mgail_tf.types import Spec

_TASK_HELP = f"{', '.join(TASKS)}, or any Gymnasium id, also as my_module:MyEnv-v0."
_POLICY_HELP = (
    "A policy.npz, a run's folder, an exported SavedModel's folder or an .onnx file; without "
    "--task its environment is taken. Default: the committed expert."
)


def _define_keep(name: str, default: str, text: str, flag_values: flags.FlagValues) -> None:
    flags.DEFINE_enum(name, default, ["final", "best_match"], text, flag_values)


# Shared flags by name: how each is defined, its default, its help, its least value.
_SHARED: dict[str, tuple[Callable[..., Any], Any, str, int | None]] = {
    "task": (flags.DEFINE_string, "hopper", _TASK_HELP, None),
    "import": (flags.DEFINE_multi_string, [], "Module that registers the task; repeatable.", None),
    "env_kwargs": (flags.DEFINE_string, None, 'JSON for gymnasium.make: {"wind": 2}.', None),
    "seed": (flags.DEFINE_integer, 0, "Fixes everything that is random.", 0),
    "env_steps": (
        flags.DEFINE_integer,
        None,
        "Environment steps. Default: the task's; of another environment MGAIL 100,000, GAIL 2 "
        "million, TRPO 4 million.",
        1,
    ),
    "demos": (
        flags.DEFINE_string,
        None,
        "Demonstrations: a file, a folder or minari:ID; default: the expert's.",
        None,
    ),
    "num_trajectories": (
        flags.DEFINE_integer,
        None,
        "Trajectories to show. Default: the paper's smallest number; of another environment all.",
        1,
    ),
    "subsample": (
        flags.DEFINE_integer,
        None,
        "Keep one state-action pair in N. Default: the paper's N; of another environment 1.",
        1,
    ),
    "preset": (
        flags.DEFINE_string,
        "default",
        f"{', '.join(['default', *PRESETS['mgail']])}.",
        None,
    ),
    "label": (
        flags.DEFINE_string,
        None,
        "Names the settings in tables; default: the preset, and +set with --set.",
        None,
    ),
    "set": (flags.DEFINE_multi_string, [], "key=value: override a setting; repeatable.", None),
    "policy": (flags.DEFINE_string, None, _POLICY_HELP, None),
    "policies": (flags.DEFINE_list, [], _POLICY_HELP, None),
    "episodes": (flags.DEFINE_integer, 50, "Evaluation episodes, in each mode.", 1),
    "out": (flags.DEFINE_string, None, "Folder to write; empty or absent. Default: runs/...", None),
    "resume": (
        flags.DEFINE_boolean,
        False,
        "Resume the run in --out; begin it if there is none.",
        None,
    ),
    "checkpoint_every": (flags.DEFINE_float, 60.0, "Seconds between checkpoints.", 0),
    "start_from": (
        flags.DEFINE_string,
        None,
        "Folder of a run with --keep_checkpoint, to go on from its networks and steps.",
        None,
    ),
    "keep_checkpoint": (
        flags.DEFINE_boolean,
        False,
        "Keep the last checkpoint, so that --resume with more --env_steps can extend the run.",
        None,
    ),
    "held_out_trajectories": (
        flags.DEFINE_integer,
        0,
        "Trajectories that training does not see, to measure how well its behaviour matches them.",
        0,
    ),
    "keep": (
        _define_keep,
        "final",
        "final, or best_match: the policy on the way, or the cloned one, that matches best.",
        None,
    ),
    "workers": (flags.DEFINE_integer, 1, "Processes that step num_envs environments.", 1),
    "threads": (flags.DEFINE_integer, 1, "TensorFlow threads; 1 leaves cores to other runs.", 1),
    "smoke": (flags.DEFINE_boolean, False, "Do the same job in seconds, too short to learn.", None),
}
ENVIRONMENT = ("import", "env_kwargs")  # come with --task
TRAINING = (
    *("task", "seed", "env_steps", "set", "episodes", "out", "label"),
    *("resume", "checkpoint_every", "keep_checkpoint", "threads", "smoke"),
)
IMITATION = (
    *(*TRAINING, "demos", "num_trajectories", "subsample"),
    *("held_out_trajectories", "keep"),
)
# What --smoke sets: the same job in seconds.
_SMOKE_TRPO = ["batch_steps=200", "value_epochs=1", "compile=graph"]
SMOKE: dict[str, tuple[int | None, list[str]]] = {
    "bc": (None, ["max_epochs=3"]),
    "dagger": (30, ["iterations=3", "max_epochs=3"]),
    "forward_training": (30, ["max_epochs=3"]),
    "smile": (30, ["iterations=3", "max_epochs=3"]),
    "trpo": (600, _SMOKE_TRPO),
    "gail": (600, [*_SMOKE_TRPO, "discriminator_steps=2"]),
    "mgail": (
        120,
        [
            *("prefill_steps=60", "updates_per_call=2", "updates_per_step=0.1"),
            *("horizon=3", "sequence_length=2", "compile=graph"),
            *("cloning_bound=none", "clone_share=0", "log_std=(-1.2, -2.3)"),
        ],
    ),
}


def define(*names: str, **defaults: Any) -> flags.FlagValues:
    """Return a script's own flags: the shared ones named here; a script adds its own.

    Each script has its own FlagValues, so that several can be imported in one process.

    Args:
        defaults: shared flags with another default.
    """
    values = flags.FlagValues()
    wanted = dict.fromkeys((*names, *defaults))
    if "task" in wanted:
        wanted |= dict.fromkeys(ENVIRONMENT)
    for name in wanted:
        definer, default, text, least = _SHARED[name]
        bounds: dict[str, Any] = {} if least is None else {"lower_bound": least}
        bounds |= {"upper_bound": 10**9} if name == "seed" else {}  # networks take 32 bits
        definer = _whole_number if definer is flags.DEFINE_integer else definer
        definer(name, defaults.get(name, default), text, flag_values=values, **bounds)
    return values


class _WholeNumbers(flags.IntegerParser):
    """Whole numbers, 1e4 among them."""

    def convert(self, argument: Any) -> int:
        """Return the number that a text is."""
        try:
            value = float(argument)
            if isinstance(argument, str) and "e" in argument.lower() and value.is_integer():
                return int(value)
        except (ValueError, OverflowError):
            pass
        return super().convert(argument)


def _whole_number(
    name: str, default: Any, text: str, flag_values: flags.FlagValues, **bounds: int
) -> None:
    """Define a flag that holds a whole number."""
    serializer: Any = flags.ArgumentSerializer()
    flags.DEFINE(_WholeNumbers(**bounds), name, default, text, flag_values, serializer)


Job = Callable[[dict[str, Any]], None]


def script(
    job: Job,
    values: flags.FlagValues,
    settings_of: str | None = None,
    arguments: str | None = None,
) -> Callable[[Sequence[str]], int]:
    """Return the main function of a script: it takes argv and returns the exit code.

    Args:
        job: is given the flags' values by name.
        settings_of: the algorithm whose settings --help_settings lists.
        arguments: the name under which the job is given the words that are no flag; None: there
            must be none.
    """
    values.set_gnu_getopt()  # flags may stand behind other words
    if settings_of:
        text = "List the settings that --set takes, with defaults and meanings."
        flags.DEFINE_boolean("help_settings", False, text, flag_values=values)

    def job_or_help(get: dict[str, Any]) -> None:
        if settings_of and get["help_settings"]:
            print(describe(CONFIGS[settings_of]))
        else:
            job(get)

    return lambda argv: _run(job_or_help, _help(job.__module__), values, arguments, argv)


def _help(module: str) -> str:
    """Return what a script's docstring says."""
    return (getattr(sys.modules[module], "__doc__", "") or "").strip()


def _run(
    job: Job, usage: str, values: flags.FlagValues, arguments: str | None, argv: Sequence[str]
) -> int:
    """Parse the flags, do the job, return the exit code: 2 bad input, 1 diverged, in one line."""
    try:
        values.unparse_flags()
        for name in values:
            values[name].unparse()
        if {"--help", "-help", "--helpshort", "--helpfull", "-h"} & set(argv[1:]):
            print(f"{usage}\n\nflags:\n{values.get_help()}")
            return 0
        rest = values(list(argv))[1:]
        if rest and not arguments:
            raise mg.BadInput(
                f"{' '.join(rest)}: found arguments without a flag, expected --flag=value"
            )
        get = {name: _expanded(values[name].value) for name in values}
        if arguments:
            get[arguments] = rest
        warnings.showwarning = _show_warning
        if "task" in get:
            if values["task"].using_default_value:
                get |= environment_of_policy(get)
            get["task"], get["env"] = environment(get, get["task"])
        job(get)
        sys.stdout.flush()
    except flags.Error as error:
        print(f"error: {' '.join(str(error).split())} (--help lists the flags)", file=sys.stderr)
        return 2
    except mg.BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of a pipe has seen enough: `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE  # as of a program that this signal ends
    except OSError as error:  # a full disk, a folder that was taken away, ...
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}; what was saved is kept", file=sys.stderr)
        return 2
    except mg.Diverged as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as interrupt:
        reason = str(interrupt) or "what was written so far is kept"
        print(f"\ninterrupted; {reason}", file=sys.stderr)
        return 130
    return 0


def _task_names() -> dict[str, str]:
    """Return the names of tasks by their ids, where the id alone has the task's time limit."""
    return {
        task.env_id: name
        for name, task in TASKS.items()
        if gymnasium.spec(task.env_id).max_episode_steps == task.max_steps
    }


def environment(get: Mapping[str, Any], name: str) -> tuple[str, EnvLike]:
    """Return the name of a task or an id, and what makes its environment as the flags say.

    With keyword arguments an environment is none of the paper's tasks.

    Raises:
        BadInput: a module cannot be imported, or the keyword arguments are none.
    """
    for module in get["import"]:
        try:
            importlib.import_module(module)
        except Exception as error:  # whatever a user's module raises
            raise mg.BadInput(f"--import={module}: {one_line(error)}") from error
    if not get["env_kwargs"]:
        name = _task_names().get(name, name)
        return name, Registered(name, tuple(get["import"])) if get["import"] else name
    try:
        kwargs = json.loads(get["env_kwargs"])
    except ValueError as error:
        raise mg.BadInput(f"--env_kwargs: {get['env_kwargs']}: no JSON ({error})") from error
    if not isinstance(kwargs, dict):
        found = f"found {get['env_kwargs']}"
        raise mg.BadInput(f'--env_kwargs: {found}, expected an object such as {{"wind": 2}}')
    name = env_id_of(name)
    return name, Registered(name, tuple(get["import"]), kwargs)


def environment_of_policy(get: Mapping[str, Any]) -> dict[str, str]:
    """Return the flags that name the environment that the first policy of the flags is of.

    Those are what its run says, or the id in the file; of an id of the paper's tasks that task.

    Returns:
        Nothing where no policy is given, or where it is not known.

    Raises:
        BadInput: the file is none of a policy, or flags can't make the environment of its run.
    """
    named = get.get("policy") or next(iter(get.get("policies") or []), None)
    if not named or not Path(named).exists():
        return {"task": named} if named in TASKS else {}  # then it is a released one
    path, kind = policy_file(Path(named))
    # policies/step_100.npz is one of a run too
    folder = path.parent.parent if path.parent.name == "policies" else path.parent
    config = None
    with contextlib.suppress(OSError, ValueError):  # no run is beside it
        config = json.loads((folder / "config.json").read_text())
    if isinstance(config, dict) and isinstance(config.get("task"), str):
        return _environment_of_run(get, config, folder)
    if kind == "saved_model":
        found = read_description(path).get("env_id")
    elif kind == "onnx":
        found = onnx_policy.opened(path)[1].get("env_id")
    else:
        found = read_arrays(path).get("env_id")
    return {} if found is None else {"task": task_with_id(str(found))}


def _environment_of_run(
    get: Mapping[str, Any], config: Mapping[str, Any], folder: Path
) -> dict[str, str]:
    """Return the flags that name the environment of a run, with its time limit.

    Raises:
        BadInput: it had wrappers that no flag makes.
    """
    named = {"task": config["task"]}
    named["env_kwargs"] = get["env_kwargs"] or config.get("env_kwargs", "")
    flags_of = {"import": [], **get, **named}
    try:
        spec = make(environment(flags_of, named["task"])[1], 0).spec
    except mg.BadInput:  # an object's, or a module is not imported
        return named
    if (wrappers := config.get("wrappers", [])) != [*spec.wrappers]:
        found = f"{folder}: found a run in {', '.join(wrappers) or 'no wrappers'}"
        expected = f"expected {', '.join(spec.wrappers) or 'none'} as of {named['task']}"
        raise mg.BadInput(f"{found}, {expected}; score it from Python, or give --task")
    limit = config.get("max_steps", spec.max_steps)
    if not get["env_kwargs"] and limit != spec.max_steps:
        kwargs = json.loads(named["env_kwargs"] or "{}")
        named["env_kwargs"] = json.dumps({**kwargs, "max_episode_steps": limit})
    return named


def _expanded(value: Any) -> Any:
    """Return a flag's value; a path that begins with ~ is one in the home folder."""
    if isinstance(value, list):
        return [_expanded(each) for each in value]
    return os.path.expanduser(value) if isinstance(value, str) else value


def _show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    print(f"warning: {message}", file=sys.stderr)


def load_tensorflow(threads: int) -> None:
    """Import TensorFlow without its start-up chatter and pin it to `threads` threads.

    Called after cheap checks, as it takes seconds. A runtime that is already started keeps its
    threads, with a warning.
    """
    # a third of the compile time, and nothing lost at run time on the CPU (docs/speed.md)
    os.environ.setdefault("XLA_FLAGS", "--xla_llvm_disable_expensive_passes=true")
    compile_cache.prepare()
    sys.stderr.flush()
    terminal, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        import tensorflow as tf

        importlib.import_module("mgail_tf.networks.policy")  # Keras and TFP chatter too
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


def settings(algorithm: str, get: Mapping[str, Any]) -> tuple[Any, int]:
    """Return the settings and the budget: those of `for_task`, then --smoke's, then --set's."""
    steps, smoke = SMOKE[algorithm] if get["smoke"] else (None, [])
    config = mg.for_task(algorithm, get["task"], get.get("preset") or "default")
    config = mg.override(mg.override(config, smoke), get["set"])
    total = get.get("env_steps") or steps or budget(algorithm, get["task"])
    if algorithm != "bc":
        config.check_budget(total)
    return config, total


def demonstrations(get: Mapping[str, Any]) -> tuple[mg.Demonstrations, mg.Demonstrations | None]:
    """Return the demonstrations that the flags name and those that are held out, both checked.

    By default all pairs for an environment of the user's, and for one of the paper's tasks its
    smallest dataset.
    """
    name, held = get["task"], get.get("held_out_trajectories") or 0
    spec = make(get["env"], get["seed"]).spec
    if not get["demos"]:
        check_expert(name, "--demos=FILE")
    shown = mg.Demonstrations.load(get["demos"]) if get["demos"] else mg.expert_demonstrations(name)
    shown = shown.for_spec(spec)
    count, every = sizes(get)
    if not get["num_trajectories"] and count and count > len(shown):
        found = f"found {len(shown)} trajectories, expected {count}, the paper's smallest dataset"
        raise mg.BadInput(f"{shown.source}: {found} of {name}; --num_trajectories says otherwise")
    if not held:
        return shown.sample(count, every, get["seed"]), None
    if (count or 1) + held > len(shown):
        found = f"found {held} beside {count or 1} of {len(shown)} trajectories"
        raise mg.BadInput(f"--held_out_trajectories: {found}, expected that many to be left over")
    held_out = shown.held_out(held, get["seed"])
    return shown.sample(count or len(shown) - held, every, get["seed"]), held_out


def sizes(get: Mapping[str, Any]) -> tuple[int | None, int]:
    """Return how many trajectories are shown (None: all), and one pair in how many of them.

    By default those of the paper's smallest dataset; for another environment all.
    """
    task = TASKS.get(get["task"])
    count, every = (task.num_trajectories, task.subsample) if task else (None, 1)
    return get["num_trajectories"] or count, get["subsample"] or every


def check_expert(task: str, flag: str) -> None:
    """Refuse an environment that is not one of the tasks; say which flag replaces their expert.

    Raises:
        BadInput: it has no committed expert.
    """
    path = experts.weights_path(task)
    if task not in TASKS and not path.exists():
        train = f"launch/train_expert.py --task={task} trains one"
        raise mg.BadInput(f"{task}: no committed expert at {path.parent}; give {flag} ({train})")


def policy_of(get: Mapping[str, Any], spec: Spec, flag: str = "--policy") -> Policy | SteppedPolicy:
    """Return the policy that --policy names, checked against the environment.

    Args:
        get: the flags `task` and `policy`, and `threads` where the script has it.
        flag: by which the script takes it.

    Raises:
        BadInput: there is no such file, it is none of a policy, or it does not fit.
    """
    if not get["policy"]:
        check_expert(get["task"], f"{flag}=FILE")
        return experts.load(get["task"], spec)
    path, kind = policy_file(Path(get["policy"]))
    if kind == "saved_model":
        load_tensorflow(get.get("threads", 1))
        return mg.SavedPolicy(path, spec)
    return mg.OnnxPolicy(path, spec) if kind == "onnx" else mg.load_policy(path, spec)


def policy_file(path: Path) -> tuple[Path, Literal["npz", "onnx", "saved_model"]]:
    """Return the file or folder that holds the policy that a flag names, and its format.

    Raises:
        BadInput: it is a folder without one.
    """
    if not path.is_dir():
        return path, "onnx" if path.suffix == ".onnx" else "npz"
    if (path / "policy.npz").exists():
        return path / "policy.npz", "npz"
    if (path / "saved_model.pb").exists() or (path / "metadata.json").exists():
        return path, "saved_model"
    begun = "a run that is not finished" if (path / "config.json").exists() else "a folder"
    expected = "expected a finished run's folder or an exported SavedModel's"
    raise mg.BadInput(f"{path}: found {begun} without policy.npz or saved_model.pb, {expected}")


def numpy_policy_of(get: Mapping[str, Any], spec: Spec) -> AnyPolicy:
    """Return the policy that --policy names, as `policy_of` does, where its weights are needed.

    Raises:
        BadInput: it is an exported one, or see `policy_of`.
    """
    policy = policy_of(get, spec)
    if not isinstance(policy, AnyPolicy):
        found = f"found an exported policy ({type(policy).__name__})"
        raise mg.BadInput(f"{get['policy']}: {found}, expected a policy.npz or a run's folder")
    return policy


def as_file_name(text: str) -> str:
    """Return a text with what has a meaning in paths, lists and shells replaced."""
    return re.sub(r"[^\w.+=-]", "_", text)


def folder(get: Mapping[str, Any], name: str) -> Path:
    """Return the run's folder, after checking that nothing is overwritten."""
    smoke = "-smoke" if get["smoke"] else ""
    out = Path(get["out"] or f"runs/{as_file_name(name)}{smoke}")
    if not get["resume"]:
        check_free(out)
    return out


def label_of(get: Mapping[str, Any], name: str) -> str:
    """Return what tables call the settings: --label, or a name that tells of --set."""
    return get.get("label") or (f"{name}+set" if get.get("set") else name)


def train(algorithm: str, get: Mapping[str, Any]) -> Path:
    """Do the run that the flags describe, and return its folder."""
    config, total = settings(algorithm, get)
    label = label_of(get, get.get("preset") or "default")
    out = folder(get, f"{algorithm}-{get['task']}-{label}-seed{get['seed']}")
    keep = get.get("keep") or "final"
    if (workers := get.get("workers", 1)) > getattr(config, "num_envs", 1):
        expected = f"at most {config.num_envs} (--set num_envs)"
        raise mg.BadInput(f"--workers: found {workers}, expected {expected}")
    inputs: dict[str, Any] = {}
    options: dict[str, Any] = {"keep": keep}
    start = started(Path(get["start_from"]), total) if get.get("start_from") else None
    if algorithm == "trpo":
        make(get["env"], get["seed"])
    else:
        inputs["demonstrations"], options["held_out"] = demonstrations(get)
    if "workers" in get:
        inputs["workers"] = get["workers"]
    say("loading TensorFlow ...")
    load_tensorflow(get["threads"])
    if keep == "best_match" and algorithm != "bc":
        say("cloning, for a policy to choose from ...")
        clone = mg.BC(get["env"], inputs["demonstrations"], seed=get["seed"])
        options["candidates"] = {"cloned": clone.learn().policy}
    if getattr(config, "cloning_bound", None) or getattr(config, "clone_share", None):
        say("cloning, for what the policy is held to and compared with ...")
    agent = getattr(mg, algorithm.upper())(get["env"], config=config, seed=get["seed"], **inputs)
    if start:
        agent.restore_from(start["training"], get["start_from"])
        options["started_from"] = start["described"]
    agent.learn(
        **({} if algorithm == "bc" else {"env_steps": total}),
        run_dir=out,
        resume=get["resume"],
        episodes=2 if get["smoke"] else get["episodes"],
        checkpoint_every=get["checkpoint_every"],
        keep_checkpoint=get.get("keep_checkpoint", False),
        label=label,
        progress=True,
        **options,
    )
    return out


def started(run: Path, total: int) -> dict[str, Any]:
    """Return the checkpoint of a run that another one is to go on from.

    What the run is stands under `described`: its config.json, with the steps that it has taken.

    Args:
        total: environment steps of both together.

    Raises:
        BadInput: it has none or no config.json, or has taken as many steps.
    """
    found = checkpoint.load(run / "checkpoints")
    if found is None:
        expected = "expected a run's folder with one (--keep_checkpoint)"
        raise mg.BadInput(f"--start_from={run}: found no checkpoint, {expected}")
    if found["now"] >= total:
        expected = f"expected more than the {found['now']} of {run}"
        raise mg.BadInput(f"--env_steps: found {total}, {expected}")
    try:
        described = json.loads((run / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise mg.BadInput(f"--start_from={run}: config.json: {one_line(error)}") from error
    return found | {"described": described | {"env_steps": found["now"]}}


def environment_flags(get: Mapping[str, Any]) -> str:
    """Return the flags that name the environment, for a command line."""
    words = [f"--task={get['task']}", *(f"--import={module}" for module in get["import"])]
    words += [f"--env_kwargs={get['env_kwargs']}"] if get["env_kwargs"] else []
    return shlex.join(words)


def say(text: str) -> None:
    """Tell on standard error what is being done."""
    print(text, file=sys.stderr, flush=True)
