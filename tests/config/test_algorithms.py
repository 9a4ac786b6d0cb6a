"""Settings are frozen, described, and refused by name where they are impossible."""

import dataclasses
from functools import partial

import pytest

from mgail_tf.config.algorithms import (
    CONFIGS,
    BCConfig,
    DAggerConfig,
    GAILConfig,
    MGAILConfig,
    SMILeConfig,
    TRPOConfig,
    describe,
)
from mgail_tf.errors import BadInput

NAN, INFINITE = float("nan"), float("inf")
BAD = {  # class -> setting -> values that are refused by its name
    MGAILConfig: {
        "horizont": (3,),
        "horizon": (0, -1, 1.5, "many", True),
        "policy_batch": (0, INFINITE),
        "gamma": (1, 1.5, 0.0, NAN, True, "high"),
        "td_lambda": (2,),
        "near_termination_share": (1.1, -0.1),
        "policy_learning_rate": (0, INFINITE),
        "termination_cost": (-1,),
        "policy_averaging": (0.0,),  # None, not 0, keeps the last weights
        "state_gradient_clip": (0.0,),
        "model_ema_rate": (0.0, 1.5),
        "recent_share": (1.1, -0.1),
        "teacher_forced_steps": (0,),
        "observation_components": (0,),
        "initial_episode_steps": (0,),
        "sequence_length": (1,),
        "log_std": (-1.2, (-1.2,), (-1.2, -2.3, 0.0), (-1.2, -INFINITE)),
        "policy_hidden": ((32.5,), ("a",), (32, 0), 32.0, "wide"),
        "rollout": ("imagined",),
        "cost": ("entropy", "logit"),
        "forward_model": ("lstm",),
        "value_targets": ("neither", "None"),
        "compile": (True,),
        "predict_termination": (1, "yes"),
        "updates_per_step": (20.0,),  # not updates_per_call divided by a whole number
        "learning_rate_schedule": ("cosine",),
        "restart_period": (0,),
        "restart_multiplier": (0.5,),
    },
    BCConfig: {
        "horizon": (3,),  # another algorithm's
        "hidden": ((0,),),
        "train_fraction": (1.0,),
        "activation": ("silu",),
    },
    TRPOConfig: {
        "batch_steps": ((), (100, 0)),
        "gae_lambda": (1.1,),
        "num_envs": (0,),
        "compile": ("xla_unrolled",),
    },
    GAILConfig: {"discriminator_steps": (0,), "batch_steps": ([],)},
    SMILeConfig: {"alpha": (0.0, 1.5), "iterations": (0,), "query_every": (0,), "hidden": ((0,),)},
    DAggerConfig: {"expert_decay": (1.0, -0.1), "alpha": (0.5,)},
}
ROWS = [
    (config, name, value)
    for config, settings in BAD.items()
    for name, values in settings.items()
    for value in values
]


@pytest.mark.parametrize(("config", "name", "value"), ROWS)
def test_bad_setting_is_refused_by_name_in_one_line(config, name, value):
    for make in (config, partial(dataclasses.replace, config())):
        with pytest.raises(BadInput, match=rf"^{name}\b[^\n]*$"):
            make(**{name: value})


@pytest.mark.parametrize(
    ("config", "name", "given", "found"),
    [
        (MGAILConfig, "policy_hidden", [32, 16], (32, 16)),
        (MGAILConfig, "log_std", (-1, -2), (-1.0, -2.0)),
        (TRPOConfig, "batch_steps", 200, (200,)),
        (GAILConfig, "entropy_weight", 1e-3, 1e-3),
    ],
)
def test_possible_setting_is_taken_and_all_others_are_the_defaults(config, name, given, found):
    expected = dataclasses.asdict(config()) | {name: found}
    assert dataclasses.asdict(config(**{name: given})) == expected


def test_settings_are_keywords_and_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        MGAILConfig().gamma = 0.5
    with pytest.raises(BadInput):
        MGAILConfig(**{"gamma ": 0.5})
    with pytest.raises(TypeError):
        MGAILConfig(1000)


@pytest.mark.parametrize("config", CONFIGS.values())
def test_every_setting_is_described(config):
    lines, default = describe(config).splitlines(), config()
    names = [field.name for field in dataclasses.fields(config)]
    assert lines[::2] == [f"  {name}={getattr(default, name)}" for name in names]
    assert all(meaning.strip().endswith(".") for meaning in lines[1::2])


@pytest.mark.parametrize(
    ("calls", "per_step", "steps"), [(50, 0.4, 125), (50, 1.0, 50), (50, 0.3, 167), (5, 5.0, 1)]
)
def test_steps_between_calls_are_whole(calls, per_step, steps):
    config = MGAILConfig(updates_per_call=calls, updates_per_step=per_step)
    assert config.steps_per_call(per_step) == steps


def test_half_of_a_stretch_warms_the_gru_up():
    assert [MGAILConfig(sequence_length=n).burn_in_steps for n in (2, 3, 8)] == [1, 1, 4]


@pytest.mark.parametrize(
    ("config", "least"),
    [
        (TRPOConfig(batch_steps=(300, 100)), 300),
        (GAILConfig(batch_steps=(300,)), 300),
        (MGAILConfig(prefill_steps=300), 300),
    ],
)
def test_budget_that_leaves_nothing_to_learn_from_is_refused(config, least):
    config.check_budget(least + 1)
    with pytest.raises(BadInput, match="env_steps"):
        config.check_budget(least)


def test_buffer_that_a_clones_steps_would_fill_is_refused():
    config = MGAILConfig(prefill_steps=1000, clone_share=0.05, replay_capacity=2000)
    config.check_budget(20_000)
    with pytest.raises(BadInput, match="replay_capacity: found 2000"):
        config.check_budget(21_000)
    dataclasses.replace(config, clone_share=0.0).check_budget(10**6)
