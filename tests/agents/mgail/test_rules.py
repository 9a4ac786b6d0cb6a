"""What settings follow from demonstrations and first steps: by hand, and whatever the units are."""

import dataclasses

import numpy as np
import pytest
from scipy import signal

from mgail_tf.agents.mgail import rules
from mgail_tf.agents.mgail.agent import MGAIL
from mgail_tf.config.algorithms import MGAILConfig
from mgail_tf.data.demonstrations import Demonstrations
from mgail_tf.data.predictability import redundant
from mgail_tf.envs.gym_env import make
from mgail_tf.types import Episode, Spec
from tests import toys


def _first_steps(rng, count=800):
    """Return states [N, 4], actions [N, 1] and next states: a walk, noise, a constant, an echo."""
    actions = rng.normal(size=(count, 1))
    walk = np.cumsum(rng.normal(size=count + 1))
    noise, constant = rng.normal(size=count + 1), np.full(count + 1, 3.0)
    echo = np.concatenate([[0.0], actions[:, 0]])
    states = np.stack([walk, noise, constant, echo], 1)
    return rules.Steps(states[:-1], actions, states[1:])


def test_a_linear_model_foresees_what_moves_by_itself_or_by_the_action_and_no_noise(rng):
    walk, noise, constant, echo = rules.foreseen(*_first_steps(rng))
    assert walk > 0.9
    assert noise < 0.1
    assert constant == 0.0
    assert echo > 0.9  # by the action alone


def test_noise_and_what_is_shown_as_constant_are_not_seen(rng):
    first = _first_steps(rng)
    shown = rng.normal(size=(50, 4))
    shown[:, 2] = 3.0
    assert rules.seen_components(shown, first, None).tolist() == [0, 3]
    shown[:, 3] = -1.0
    assert rules.seen_components(shown, first, None).tolist() == [0]


@pytest.mark.parametrize("noise", [False, True])
def test_what_only_the_expert_changes_is_seen_unless_it_is_noise(rng, noise):
    first, demonstrated = _first_steps(rng), _first_steps(rng)
    flag = np.arange(len(demonstrated.states) + 1) > 100  # which random actions never set
    if noise:
        flag = rng.integers(2, size=len(flag))
    demonstrated.states[:, 2], demonstrated.next_states[:, 2] = flag[:-1], flag[1:]
    shown = demonstrated.states[::5]
    seen = rules.seen_components(shown, first, demonstrated).tolist()
    assert seen == ([0, 3] if noise else [0, 2, 3])
    assert rules.seen_components(shown, first, None).tolist() == [0, 3]  # pairs are left out


def test_where_nothing_would_be_left_everything_that_varies_is_seen(rng):
    states, shown = rng.normal(size=(2, 300, 2))
    first = rules.Steps(states[:-1], rng.normal(size=(299, 1)), states[1:])
    seen = rules.seen_components(shown, first, None)
    assert seen.tolist() == [0, 1]


def _walks(rng, count):
    """Return states [N, 6]: two walks, their difference, a product, a constant, a near copy."""
    one, two = signal.lfilter([1.0], [1.0, -0.9], rng.normal(size=(2, count)))
    near = two + 0.3 * two.std() * rng.normal(size=count)  # 0.92 of its variance is the walk's
    return np.stack([one, two, one - two, one * two, np.full(count, 3.0), near], 1)


def test_components_that_earlier_ones_determine_are_redundant(rng):
    states = _walks(rng, 1000)
    assert redundant(states).tolist() == [False, False, True, False, False, False]
    assert redundant(states[:, [2, 5, 1, 1]]).tolist() == [False, False, False, True]
    assert not redundant(rng.normal(size=(30, 20))).any()  # few rows say nothing


def test_redundant_components_are_not_seen(rng):
    states, actions = _walks(rng, 801), rng.normal(size=(800, 1))
    first = rules.Steps(states[:-1], actions, states[1:])
    shown = rng.normal(size=(50, 6))
    assert rules.seen_components(shown, first, None).tolist() == [0, 1, 3, 5]


@pytest.mark.parametrize("unit", [1e-6, 1e6])
@pytest.mark.parametrize("component", [0, 1, 3])
def test_units_change_neither_what_is_seen_nor_how_it_is_scaled(rng, unit, component):
    states, actions, next_states = first = _first_steps(rng)
    shown = rng.normal(size=(50, 4))
    units = np.ones(4)
    units[component] = unit
    other = rules.Steps(states * units, actions, next_states * units)
    before = rules.seen_components(shown, first, None)
    after = rules.seen_components(shown * units, other, None)
    np.testing.assert_array_equal(before, after)
    np.testing.assert_allclose(
        rules.smallest_scales(states * units, False)[[0, 1, 3]],
        (rules.smallest_scales(states, False) * units)[[0, 1, 3]],
        rtol=1e-6,
    )


@pytest.mark.parametrize(("few", "share"), [(False, 0.1), (True, 1.0)])
def test_smallest_scale_is_a_part_of_the_spread_or_all_of_it(rng, few, share):
    states = rng.normal(size=(1000, 2)) * [1.0, 5.0]
    np.testing.assert_allclose(rules.smallest_scales(states, few), share * states.std(0))


@pytest.mark.parametrize(
    ("samples", "components", "gentle"), [(29, 6, True), (30, 6, False), (200, 35, False)]
)
def test_a_discriminator_of_few_samples_is_gentle(samples, components, gentle):
    rate, penalty, slope = rules.discriminator_strength(samples, components)
    assert (rate, penalty, slope) == ((1e-4, 10.0, 0.3) if gentle else (3e-4, 1.0, 1.0))


@pytest.mark.parametrize("telling", [False, True])
@pytest.mark.parametrize(
    ("accuracy", "rate"),
    [
        (0.5, 3e-6),
        (0.7, 3e-6),
        (0.8, 9.49e-6),
        (0.9, 3e-5),
        (0.925, 9.49e-5),
        (0.95, 3e-4),
        (1, 3e-4),
    ],
)
def test_the_policy_learns_as_fast_as_it_is_told_apart(accuracy, rate, telling):
    found = rules.policy_rate(accuracy, telling)
    assert found == pytest.approx(rate if telling else max(rate, 3e-5), rel=1e-3)


@pytest.mark.parametrize(
    ("env_steps", "components", "updates"),
    [
        (5000, 5, 1.0),
        (60_000, 100, 1.0),
        (120_000, 100, 0.5),
        (60_000, 400, 0.25),
        (5000, 400, 1.0),
    ],
)
def test_a_long_run_makes_no_more_updates_and_one_of_dear_updates_fewer(
    env_steps, components, updates
):
    assert rules.updates_per_step(env_steps, components) == updates


def _episode(states):
    steps = len(states) - 1
    nothing = np.zeros((steps, 1))
    return Episode(states, nothing, nothing, np.zeros(steps), False, True, False)


def _swings(period, phases, steps=600):
    angles = 2 * np.pi * (np.arange(steps + 1)[:, None] / period + np.array(phases))
    return np.cos(angles)


@pytest.mark.parametrize(("period", "scale"), [(50, 9), (32, 6), (14, 3), (7, 2)])
def test_states_are_alike_for_a_sixth_of_a_swing(period, scale):
    """cos(2 pi k / period) is a half there; the first step after it counts."""
    states = _swings(period, [0.0, 0.2])
    cut = [_episode(states[:300]), _episode(states[300:])]
    assert rules.time_scale([_episode(states)], None) == scale
    assert rules.time_scale(cut, None) == scale
    units = states * [1e6, 1e-6] + [3.0, -5.0]
    assert rules.time_scale([_episode(units)], None) == scale


def test_noise_is_alike_for_no_step_and_what_is_constant_does_not_count(rng):
    noise, swing = rng.normal(size=(601, 1)), _swings(50, [0.0])
    assert rules.time_scale([_episode(noise)], None) == 1
    both = np.concatenate([swing, noise, np.full((601, 1), 2.0)], 1)
    assert rules.time_scale([_episode(both)], np.array([0, 2])) == 9
    assert rules.time_scale([_episode(both)], None) == 1
    assert rules.time_scale([_episode(np.full((5, 1), 2.0))], None) == 5  # always alike


@pytest.mark.parametrize(("scale", "steps"), [(1, 16), (2, 16), (3, 24), (4, 32), (20, 32)])
def test_the_horizon_is_some_time_scales_long(scale, steps):
    assert rules.horizon(scale) == steps


@pytest.mark.parametrize(
    ("steps", "lengths", "mostly_terminate", "gamma"),
    [
        (16, [1000, 1000], False, 0.97),
        (40, [1000, 1000], False, 0.988),
        (48, [1000, 1000], False, 0.99),
        (200, [1000, 1000], False, 0.99),
        (5, [1000, 1000], False, 0.904),
        (16, [1000, 1000], True, 0.99),
        (16, [40, 60], True, 0.98),
        (40, [40, 60], True, 0.988),
        (16, [5], True, 0.97),
    ],
)
def test_the_end_that_is_shown_is_in_sight(steps, lengths, mostly_terminate, gamma):
    assert rules.discount(steps, np.array(lengths), mostly_terminate) == pytest.approx(gamma)


# -- what is concluded from demonstrations -----------------------------------------------------


@pytest.mark.parametrize("every", [1, 20])
@pytest.mark.parametrize("terminated", [0.0, 1.0])
def test_conclusions_are_what_the_agent_does(every, terminated):
    shown = toys.linear_demonstrations().sample(every=every)
    ends = np.full(5, bool(terminated))
    shown = dataclasses.replace(shown, terminated=ends)
    found = rules.conclusions(shown, make(toys.linear(), 0).spec)
    config = MGAILConfig(
        prefill_steps=200,
        cloning_bound=None,
        clone_share=0.0,
        log_std=(-1.2, -2.3),
        compile="graph",
    )
    agent = MGAIL(toys.linear(), shown, config)
    assert found.pairs == len(agent.expert.states)
    assert found.components == agent.normaliser.mean.size + 1
    assert found.strength == agent._settled.strength
    assert found.gammas == (0.98 if terminated else 0.97, 0.985)
    assert agent.gamma == max(found.gammas[0], 1.0 - 0.48 / agent.effective_config.horizon)
    assert f"(discount {found.gammas[0]} to 0.985)" in str(found)
    assert found.ends_judged == agent.termination_cost.judged == bool(terminated)
    assert found.few == (every == 20 and found.pairs < 12)
    text = str(found)
    assert ("by when and where" in text) == bool(terminated)
    assert f"{found.pairs} are {'few' if found.few else 'enough'} for 3 components" in text


def test_conclusions_name_what_is_left_out(rng):
    states, actions, _ = _first_steps(rng)
    shown = Demonstrations.from_arrays([states], [actions[:-1]], terminated=[False])
    ones = np.ones(1, np.float32)
    spec = Spec("Some-v0", 4, 1, False, -5 * ones, 5 * ones, 1000)
    found = rules.conclusions(shown, spec)
    assert (found.constant.tolist(), found.noisy.tolist(), found.components) == ([2], [1], 3)
    assert "component 2: constant" in str(found) and "component 1: likely" in str(found)
    constant = dataclasses.replace(shown, states=np.ones_like(shown.states))
    assert rules.conclusions(constant, spec).components == 5  # then all are seen
    assert rules._listed(np.array([0, 2, 3, 4, 9])) == "components 0, 2 to 4, 9"
