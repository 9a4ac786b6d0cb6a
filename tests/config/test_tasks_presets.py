"""The paper's tasks, and what tasks, presets and ablations change of the defaults."""

import dataclasses

import gymnasium
import pytest
from gymnasium.wrappers import TransformReward

from mgail_tf.config.algorithms import CONFIGS, MGAILConfig
from mgail_tf.config.presets import ADDITIONS, PRESETS, ablations, preset_settings
from mgail_tf.config.tasks import DEFAULT_ENV_STEPS, TASKS, budget, for_task, task_of
from mgail_tf.envs.gym_env import Registered, make
from mgail_tf.errors import BadInput

PAPER = PRESETS["mgail"]["paper"]


def test_the_papers_eight_tasks_are_known():
    protocol = {n: (t.num_trajectories, t.subsample, t.pool) for n, t in TASKS.items()}
    assert protocol == {
        "cartpole": (1, 10, 10),
        "mountaincar": (1, 5, 10),
        "acrobot": (1, 5, 10),
        "hopper": (4, 20, 25),
        "walker2d": (4, 20, 25),
        "halfcheetah": (4, 20, 25),
        "ant": (4, 20, 25),
        "humanoid": (80, 20, 240),
    }


@pytest.mark.parametrize("algorithm", CONFIGS)
@pytest.mark.parametrize("task", TASKS)
def test_imitation_has_one_default_and_only_experts_differ(task, algorithm):
    assert set(TASKS[task].env_steps) <= set(CONFIGS)  # a misspelt one has no effect
    expert = TASKS[task].expert if algorithm == "trpo" else {}
    assert for_task(algorithm, task) == CONFIGS[algorithm](**expert)


def test_settings_and_budgets_differ_between_tasks_and_algorithms():
    assert for_task("trpo", "hopper") != for_task("trpo", "cartpole")
    assert budget("trpo", "cartpole") == 100_000
    assert budget("mgail", "humanoid") == 120_000
    assert for_task("mgail", "Pendulum-v1") == MGAILConfig()
    for algorithm, steps in DEFAULT_ENV_STEPS.items():
        assert budget(algorithm, "Pendulum-v1") == steps


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_known_by_its_environment_and_time_limit(name):
    spec = make(name, 0).spec
    assert task_of(spec) == name


def test_another_environment_or_time_limit_is_no_task():
    assert task_of(make("Pendulum-v1", 0).spec) == "Pendulum-v1"
    assert task_of(make("CartPole-v1", 0).spec) == "CartPole-v1"  # the paper's limit is 200
    windy = Registered("hopper", kwargs={"forward_reward_weight": 2.0})
    assert task_of(make(windy, 0).spec) == "Hopper-v5"
    usual = Registered("hopper", kwargs={"forward_reward_weight": 1.0, "render_mode": None})
    assert task_of(make(usual, 0).spec) in ("hopper", "Hopper-v5")
    short = gymnasium.make("Hopper-v5", max_episode_steps=100)
    assert task_of(make(short, 0).spec) == "Hopper-v5"
    scaled = TransformReward(gymnasium.make("Hopper-v5"), lambda reward: reward / 100)
    assert task_of(make(scaled, 0).spec) == "Hopper-v5"


# -- presets ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("algorithm", "preset"),
    [
        ("mgail", "papr"),
        ("mgail", "paper+cloning"),
        ("mgail", ""),
        ("gail", "paper"),
        ("bc", "released"),
        ("trpo", "hadamard_gru"),
    ],
)
def test_unknown_preset_is_refused(algorithm, preset):
    with pytest.raises(BadInput, match="preset"):
        preset_settings(algorithm, preset)
    with pytest.raises(BadInput, match="preset"):
        for_task(algorithm, "hopper", preset)


@pytest.mark.parametrize("preset", ["default", *PRESETS["mgail"]])
@pytest.mark.parametrize("task", TASKS)
def test_a_preset_has_the_last_word_over_the_tasks_settings(task, preset):
    plain, changed = for_task("mgail", task), preset_settings("mgail", preset)
    expected = dataclasses.asdict(plain) | changed
    assert dataclasses.asdict(for_task("mgail", task, preset)) == expected


@pytest.mark.parametrize("task", TASKS)
def test_the_papers_preset_has_nothing_beyond_the_paper_on_any_task(task):
    found = dataclasses.asdict(for_task("mgail", task, "paper"))
    beyond = {
        "near_termination_share": 0.0,
        "model_noise": 0.0,
        "bc_weight": 0.0,
        "initial_episode_steps": None,
        "observation_components": None,
        "value_targets": None,
    }
    assert {name: found[name] for name in beyond} == beyond


# -- ablations -------------------------------------------------------------------------------


def _settings(label):
    preset, changes = ablations()[label]
    return dataclasses.replace(for_task("mgail", "hopper", preset), **changes)


def _paper_with(names):
    """Return the paper's MGAIL with some additions."""
    changes = {key: value for name in names for key, value in ADDITIONS[name].items()}
    return MGAILConfig(**PAPER | changes)


def test_the_paper_and_all_additions_are_the_default():
    assert _paper_with(ADDITIONS) == for_task("mgail", "hopper") == _settings("default")
    assert _paper_with([]) == _settings("paper") != _settings("released")


def test_every_addition_is_tried_on_the_paper_and_left_out_of_the_default():
    labels = {f"{base}{name}" for name in ADDITIONS for base in ("paper+", "default-")}
    assert set(ablations()) == {"paper", "released", "default", *labels}
    assert len({_settings(label) for label in ablations()}) == len(ablations())
    for name in ADDITIONS:
        others = [other for other in ADDITIONS if other != name]
        assert _settings(f"paper+{name}") == _paper_with([name])
        assert _settings(f"default-{name}") == _paper_with(others)
