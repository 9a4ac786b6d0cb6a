"""`key=value` texts: the values that they stand for, and what is refused."""

import dataclasses

import pytest

from mgail_tf.config.algorithms import CONFIGS, BCConfig, MGAILConfig
from mgail_tf.config.overrides import override
from mgail_tf.errors import BadInput
from tests.checks import refusal


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("horizon=12", 12),
        ("replay_capacity=2_000", 2000),
        ("gamma=0.95", 0.95),
        ("policy_learning_rate=1e-5", 1e-5),
        ("termination_cost=3", 3.0),
        ("termination_cost=None", None),
        ("termination_cost=none", None),
        ("log_std=(-1, -2.5)", (-1.0, -2.5)),
        ("policy_hidden=(32, 16)", (32, 16)),
        ("policy_hidden=[32, 16]", (32, 16)),
        ("policy_hidden=(32,)", (32,)),
        ("policy_hidden=32", (32,)),
        ("policy_hidden=()", ()),
        ("predict_termination=True", True),
        ("predict_termination=false", False),
        ("cost=log_d", "log_d"),
        ("cost='log_d'", "log_d"),
        ("forward_model=hadamard_gru", "hadamard_gru"),
        ("bc_weight=0", 0.0),
        ("near_termination_share=1", 1.0),
        ("value_targets=None", None),
    ],
)
def test_override_reads_a_value_of_the_settings_type(text, value):
    key = text.partition("=")[0]
    changed = override(MGAILConfig(), [text])
    assert getattr(changed, key) == value
    assert type(getattr(changed, key)) is type(value)
    assert changed == dataclasses.replace(MGAILConfig(), **{key: value})


def test_override_applies_all_and_the_last_wins():
    changed = override(BCConfig(), ["batch_size=7", "max_epochs=3", "batch_size=9"])
    assert changed == BCConfig(batch_size=9, max_epochs=3)
    assert override(BCConfig(), []) == BCConfig()


def test_settings_that_only_go_together_are_checked_together():
    changed = override(MGAILConfig(), ["updates_per_call=5", "updates_per_step=5"])
    assert changed.steps_per_call(5.0) == 1


@pytest.mark.parametrize("config", [config() for config in CONFIGS.values()])
def test_unknown_key_is_refused_with_the_known_ones(config):
    message = refusal("--set learning_speed=1", override, config, ["learning_speed=1"])
    known = [field.name for field in dataclasses.fields(config)]
    assert "'learning_speed'" in message
    assert message.endswith(", ".join(known))


@pytest.mark.parametrize(
    ("text", "field"),
    [("horizon", ""), ("", ""), ("=3", "")]
    + [
        (text, text.partition("=")[0])
        for text in (
            "horizon=",
            "horizon=1.5e0",
            "horizon=many",
            "horizon=True",
            "horizon=(1,)",
            "horizon=__import__('os')",
            "policy_batch=1e999",
            "gamma=high",
            "updates_per_call=None",
            "gamma={[]}",
            "gamma=nan",
            "policy_hidden=wide",
            "predict_termination=1",
            "predict_termination=yes",
            "forward_model=lstm",
        )
    ],
)
def test_what_is_no_assignment_or_not_possible_is_refused_by_name(text, field):
    assert refusal(f"--set {text}", override, MGAILConfig(), [text]).startswith(field)


def test_whole_numbers_may_have_an_exponent_and_near_misses_are_hinted_at():
    assert override(MGAILConfig(), ["replay_capacity=1e4", "gamma=9e-1"]).replay_capacity == 10_000
    with pytest.raises(BadInput, match=r"unknown key 'horizont'; did you mean horizon\?"):
        override(MGAILConfig(), ["horizont=3"])
    with pytest.raises(BadInput, match="--env_steps is a flag of its own"):
        override(MGAILConfig(), ["env_steps=100"])
