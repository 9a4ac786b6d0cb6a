"""The paper's tasks: environment, time limit, datasets, budget of steps, and their experts."""

from typing import Any, NamedTuple

from mgail_tf.config.algorithms import CONFIGS
from mgail_tf.config.presets import preset_settings
from mgail_tf.errors import BadInput
from mgail_tf.types import Spec

# Environment steps where neither a user nor a task says how many.
DEFAULT_ENV_STEPS = {"bc": 0, "gail": 2_000_000, "mgail": 100_000, "trpo": 4_000_000}


class Task(NamedTuple):
    """One of the paper's tasks. Imitation has the same settings on all."""

    env_id: str
    max_steps: int  # time limit
    num_trajectories: int  # smallest dataset of the paper's Table 1
    subsample: int  # one pair in this many is kept (Ho & Ermon 2016)
    pool: int  # expert trajectories to choose from: the largest dataset of Table 1
    env_steps: dict[str, int] = {}  # algorithm -> budget, where it is not the default
    expert: dict[str, Any] = {}  # what differs from TRPO's defaults; see `for_task`


_CARTPOLE_EXPERT = {"batch_steps": (2048,), "gamma": 0.99, "gae_lambda": 0.95, "max_kl": 0.04}
# An almost uniform policy never sees the goal within 200 steps; with this scale seed 2 does.
_MOUNTAINCAR_EXPERT = {"output_scale": 10.0}
_WALKER_EXPERT = {
    "batch_steps": (10_240, 20_480, 40_960),
    "hidden": (100, 100),
    "value_epochs": 30,
}
# Ant's expert, and Humanoid's first one: its committed one is trained in four parts, which
# results/README.md lists.
_LARGE_EXPERT = {
    "batch_steps": (5120, 10_240, 20_480),  # small while episodes are short
    "gamma": 0.99,
    "gae_lambda": 0.95,
    "cg_iterations": 10,
}

TASKS: dict[str, Task] = {
    "cartpole": Task(
        *("CartPole-v1", 200, 1, 10, 10),
        {"trpo": 100_000, "gail": 500_000, "mgail": 5000},
        _CARTPOLE_EXPERT,
    ),
    "mountaincar": Task(
        *("MountainCar-v0", 200, 1, 5, 10),
        {"trpo": 500_000, "gail": 500_000, "mgail": 30_000},
        _MOUNTAINCAR_EXPERT,
    ),
    "acrobot": Task(
        *("Acrobot-v1", 500, 1, 5, 10),
        {"trpo": 300_000, "gail": 500_000, "mgail": 10_000},
    ),
    "hopper": Task("Hopper-v5", 1000, 4, 20, 25, {"mgail": 50_000}),
    "walker2d": Task("Walker2d-v5", 1000, 4, 20, 25, {"trpo": 25_000_000}, _WALKER_EXPERT),
    "halfcheetah": Task("HalfCheetah-v5", 1000, 4, 20, 25, {"mgail": 40_000}),
    "ant": Task("Ant-v5", 1000, 4, 20, 25, {"trpo": 10_000_000, "mgail": 50_000}, _LARGE_EXPERT),
    "humanoid": Task(
        *("Humanoid-v5", 1000, 80, 20, 240),
        {"trpo": 20_000_000, "gail": 6_000_000, "mgail": 120_000},
        _LARGE_EXPERT,
    ),
}


def task_of(spec: Spec) -> str:
    """Return the name of the task that an environment is, or its id if it is none of them.

    An environment with another time limit than the task's, other keyword arguments or a wrapper
    that may change observations, actions or rewards is another one.
    """
    for name, task in TASKS.items():
        changed = spec.env_kwargs or spec.wrappers
        if task.env_id == spec.env_id and task.max_steps == spec.max_steps and not changed:
            return name
    return spec.env_id


def env_id_of(task: str) -> str:
    """Return the Gymnasium id of a task; of what is no task, the id itself."""
    return TASKS[task].env_id if task in TASKS else task


def task_with_id(env_id: str) -> str:
    """Return the name of the task that has a Gymnasium id; of another id, the id itself."""
    return next((name for name, task in TASKS.items() if task.env_id == env_id), env_id)


def for_task(algorithm: str, task: str, preset: str = "default") -> Any:
    """Return an algorithm's settings: its defaults, then the preset's.

    TRPO's are those of the task's committed expert; Humanoid's, of its first one.

    Raises:
        BadInput: the algorithm or the preset is unknown.
    """
    if algorithm not in CONFIGS:
        raise BadInput(f"algorithm: found {algorithm!r}, expected {', '.join(sorted(CONFIGS))}")
    expert = TASKS[task].expert if algorithm == "trpo" and task in TASKS else {}
    return CONFIGS[algorithm](**{**expert, **preset_settings(algorithm, preset)})


def settings_of(algorithm: str, task: str, config: Any) -> Any:
    """Return the settings that an agent was given; of None those of `for_task`.

    Raises:
        BadInput: they are of another algorithm, or no settings.
    """
    if config is None:
        return for_task(algorithm, task)
    if not isinstance(config, CONFIGS[algorithm]):
        found, expected = type(config).__name__, CONFIGS[algorithm].__name__
        raise BadInput(f"config: found a {found}, expected mgail_tf.{expected} or None")
    return config


def budget(algorithm: str, task: str) -> int:
    """Return how many environment steps a task's run takes by default."""
    own = TASKS[task].env_steps if task in TASKS else {}
    return own.get(algorithm, DEFAULT_ENV_STEPS[algorithm])
