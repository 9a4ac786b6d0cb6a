"""The paper's tasks: environment, time limit, datasets, budget of steps, and differing settings."""

from typing import Any, NamedTuple

from mgail_tf.config.algorithms import CONFIGS
from mgail_tf.config.presets import preset_settings
from mgail_tf.errors import BadInput
from mgail_tf.types import Spec

# Environment steps where neither a user nor a task says how many.
DEFAULT_ENV_STEPS = {"bc": 0, "gail": 2_000_000, "mgail": 100_000, "trpo": 4_000_000}


class Task(NamedTuple):
    """One of the paper's tasks."""

    env_id: str
    max_steps: int | None  # the paper's time limit; None: the environment's own
    num_trajectories: int  # smallest dataset of the paper's Table 1
    subsample: int  # one pair in this many is kept (Ho & Ermon 2016)
    pool: int  # expert trajectories to choose from: the largest dataset of Table 1
    env_steps: dict[str, int] = {}  # algorithm -> budget, where it is not the default
    settings: dict[str, dict[str, Any]] = {}  # algorithm -> what differs from its defaults


# The paper's tasks keep the settings that were found for them; an environment of one's own has the
# defaults.
COMMON: dict[str, dict[str, Any]] = {
    "bc": {"normaliser_floor": 0.01},
    "dagger": {"normaliser_floor": 0.01},
    "forward_training": {"normaliser_floor": 0.01},
    "gail": {"normaliser_floor": 0.01},
    "mgail": {
        "updates_per_step": 0.4,
        "normaliser_floor": 0.01,
        "observation_components": None,
        "bc_weight": 0.03,
        "policy_hidden": (128, 64),
        "policy_activation": "relu",
        "policy_learning_rate": 3e-4,
        "cloning_bound": None,
        "policy_batch": 64,
        "log_std": (-1.2, -2.3),
        "demonstrated_share": 0.0,
        "gamma": 0.99,
        "state_gradient_clip": 3.0,
        "near_termination_share": 0.0,
        "value_targets": "recorded",
        "value_replay_window": 5000,
        "discriminator_learning_rate": 3e-4,
        "gradient_penalty": 1.0,
        "gradient_slope": 1.0,
    },
    "smile": {"normaliser_floor": 0.01},
}
_FAILURE = {"termination_cost": 4.0}
_CLASSIC = {
    "updates_per_step": 1.0,  # steps are few, and updates cheap
    "value_targets": "imagined",  # recorded steps are too few, and of other policies
    "policy_averaging": 0.07,  # a little longer: there are few updates
}
_FEW_PAIRS = {  # fifteen to twenty
    **_CLASSIC,
    "normaliser_floor": 0.2,  # the spread of so few pairs is not the task's
    "discriminator_learning_rate": 1e-4,  # and the next two: it must not memorise the pairs
    "gradient_penalty": 10.0,
    "gradient_slope": 0.3,
}
_CARTPOLE = {
    **_FEW_PAIRS,
    **_FAILURE,
    "prefill_steps": 500,  # 25 episodes
    "horizon": 10,  # 0.2 s
    "policy_batch": 16,
    "td_lambda": 1.0,
    "state_gradient_clip": None,  # nothing explodes over a short horizon
    "critic_activation": "relu",
    "model_learning_rate": 1e-3,
}
_ACROBOT = {**_FEW_PAIRS, "horizon": 10}  # 2 s
_MOUNTAINCAR = {
    **_CLASSIC,
    "horizon": 40,  # a swing
    "critic_activation": "relu",
    "model_learning_rate": 1e-3,
    "normaliser_floor": 0.02,  # velocities are about as large
    "gradient_penalty": 0.3,  # two components: what tells them apart is fine
}
_WALKER2D = {
    **_FAILURE,  # it ends by falling, whatever an expert shows
    "updates_per_step": 0.3,
    "prefill_steps": 2000,  # about 100 falls
    "value_replay_window": 100_000,
    "state_gradient_clip": 10.0,
    "near_termination_share": 0.1,  # falls become rare, and few recorded steps know any
}
# Falls are rare there: a value that forgets them lets the policy drift until it falls again.
_RARE_FALLS = {**_FAILURE, "value_replay_window": None}
_HALFCHEETAH = {
    **_RARE_FALLS,
    "state_gradient_clip": 10.0,  # a lower bound hides what turning over costs
    "updates_per_step": 0.8,
}
# The components that are left out are contact forces, which no model foresees, and on Humanoid
# also what is computed from positions and velocities.
_ANT = {
    **_RARE_FALLS,
    "observation_components": 27,
    "initial_episode_steps": 100,  # 5 s: later steps are nowhere near the expert's states
    "discriminator_learning_rate": 1e-4,  # and the next: 200 pairs of 35 components are memorised
    "gradient_penalty": 10.0,
    "near_termination_share": 0.1,
    "model_noise": 1.0,
}
_HUMANOID = {
    **_FAILURE,
    "observation_components": 45,
    "updates_per_step": 0.2,
    "prefill_steps": 5000,  # about 200 falls
}
_CARTPOLE_EXPERT = {"batch_steps": (2048,), "gamma": 0.99, "gae_lambda": 0.95, "max_kl": 0.04}
# An almost uniform policy never sees the goal within 200 steps; with this scale seed 2 does.
_MOUNTAINCAR_EXPERT = {"output_scale": 10.0}
_LARGE_EXPERT = {
    "batch_steps": (5120, 10_240, 20_480),  # small while episodes are short
    "gamma": 0.99,
    "gae_lambda": 0.95,
    "cg_iterations": 10,
}
# It ends by falling, whatever an expert shows.
_WALKER2D_GAIL = {"cost": "log_d"}

TASKS: dict[str, Task] = {
    "cartpole": Task(
        *("CartPole-v1", 200, 1, 10, 10),
        {"trpo": 100_000, "gail": 500_000, "mgail": 5000},
        {"trpo": _CARTPOLE_EXPERT, "mgail": _CARTPOLE},
    ),
    "mountaincar": Task(
        *("MountainCar-v0", 200, 1, 5, 10),
        {"trpo": 500_000, "gail": 500_000, "mgail": 50_000},
        {"trpo": _MOUNTAINCAR_EXPERT, "mgail": _MOUNTAINCAR},
    ),
    "acrobot": Task(
        *("Acrobot-v1", 500, 1, 5, 10),
        {"trpo": 300_000, "gail": 500_000, "mgail": 10_000},
        {"mgail": _ACROBOT},
    ),
    "hopper": Task("Hopper-v5", None, 4, 20, 25, {}, {"mgail": _FAILURE}),
    "walker2d": Task(
        *("Walker2d-v5", None, 4, 20, 25),
        {"trpo": 6_000_000, "mgail": 250_000},
        {"gail": _WALKER2D_GAIL, "mgail": _WALKER2D},
    ),
    "halfcheetah": Task("HalfCheetah-v5", None, 4, 20, 25, {}, {"mgail": _HALFCHEETAH}),
    "ant": Task(
        *("Ant-v5", None, 4, 20, 25),
        {"trpo": 10_000_000},
        {"trpo": _LARGE_EXPERT, "mgail": _ANT},
    ),
    "humanoid": Task(
        *("Humanoid-v5", None, 80, 20, 240),
        {"trpo": 20_000_000, "gail": 6_000_000, "mgail": 200_000},
        {"trpo": _LARGE_EXPERT, "mgail": _HUMANOID},
    ),
}


def task_of(spec: Spec) -> str:
    """Return the name of the task that an environment is, or its id if it is none of them.

    An environment that is made with other keyword arguments than the task's is another one.
    """
    for name, task in TASKS.items():
        same_limit = task.max_steps in (None, spec.max_steps)
        if task.env_id == spec.env_id and same_limit and not spec.env_kwargs:
            return name
    return spec.env_id


def for_task(algorithm: str, task: str, preset: str = "default") -> Any:
    """Return an algorithm's settings: its defaults, then the task's, then the preset's.

    Raises:
        BadInput: the preset is unknown.
    """
    settings: dict[str, Any] = {}
    if task in TASKS:
        settings = {**COMMON.get(algorithm, {}), **TASKS[task].settings.get(algorithm, {})}
    return CONFIGS[algorithm](**{**settings, **preset_settings(algorithm, preset)})


def settings_of(algorithm: str, task: str, config: Any) -> Any:
    """Return the settings that an agent was given; of None those of the task.

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
