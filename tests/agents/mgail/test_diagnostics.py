"""What is measured on evaluation episodes, with networks whose errors are known."""

import math

import numpy as np
import pytest
import tensorflow as tf

from mgail_tf.agents.mgail import diagnostics
from mgail_tf.data.normaliser import Normaliser
from mgail_tf.networks.forward_model import Prediction
from mgail_tf.types import Episode, StateActions

STD = 2.0
OFF = 0.25  # what the model is off by, each step and component
EXPERT = StateActions(np.full((8, 3), 4.0, np.float32), np.full((8, 2), 0.5, np.float32))


def _episode(spec, length, rng):
    """Each step adds the action's first component, doubled to be in environment units."""
    actions = rng.uniform(-2.0, 2.0, (length, spec.action_size)).astype(np.float32)
    moved = np.concatenate([np.zeros((1, 1)), np.cumsum(actions[:, :1], 0)])
    states = np.tile(moved, spec.state_size).astype(np.float32)
    rewards = np.zeros(length)
    return Episode(states, actions, actions / 2.0, rewards, length < 10, length >= 10, False)


def _both(states, actions):
    return states[:, 0] + 100.0 * actions[:, 1]


def _measure(spec, episodes, horizon, warm, seen=3, discriminator=_both):
    def model(states, actions, hidden):
        """Count the steps; be off where fewer than `warm` came before."""
        off = OFF + tf.where(hidden < warm, 10.0, 0.0)
        ahead = states + actions[:, :1] * 2.0 / STD + off
        return Prediction(ahead, hidden + 1.0, states[:, 0])

    model.hidden_size = 1
    normaliser = Normaliser(np.zeros(seen), np.full(seen, STD), 1e6, np.arange(seen))
    horizons = 1, 5, horizon
    found = diagnostics.measure(
        model, discriminator, normaliser, spec, EXPERT, episodes, horizons, warm
    )
    assert tuple(found) == diagnostics.COLUMNS
    return found


@pytest.mark.parametrize("lengths", [(30, 12), (21,)])
def test_open_loop_error_grows_by_what_the_model_is_off_a_step(continuous, rng, lengths):
    episodes = [_episode(continuous, length, rng) for length in lengths]
    found = _measure(continuous, episodes, 20, 0)
    assert found["open_loop_1"] == pytest.approx(OFF, rel=1e-4)
    assert found["open_loop_5"] == pytest.approx(5 * OFF, rel=1e-4)
    assert found["open_loop_T"] == pytest.approx(20 * OFF, rel=1e-4)  # of the longer one alone


def test_hidden_state_is_warmed_up_on_the_recorded_steps_before(continuous, rng):
    """All but the first three of 60 steps have three before them to count."""
    found = _measure(continuous, [_episode(continuous, 60, rng)], 5, 3)
    cold = (found["open_loop_1"] ** 2 - OFF**2) / ((10.0 + OFF) ** 2 - OFF**2)
    assert 0.02 < cold < 0.1  # 3 of 60


def test_logit_of_imagined_states_differs_by_what_the_model_is_off(continuous, rng):
    episode = _episode(continuous, 20, rng)  # one stretch, drawn again and again
    found = _measure(continuous, [episode], 20, 0, discriminator=lambda s, a: s[:, 0])
    assert found["logit_agent"] == pytest.approx(episode.states[:20, 0].mean() / STD, rel=1e-4)
    imagined = episode.states[1:20, 0] / STD + OFF * np.arange(1, 20)
    assert found["logit_imagined"] == pytest.approx(imagined.mean(), rel=1e-4)


def test_no_episode_is_as_long_as_the_horizon(continuous, rng):
    found = _measure(continuous, [_episode(continuous, 6, rng)], 7, 2)
    assert math.isnan(found["open_loop_T"]) and math.isnan(found["logit_imagined"])
    assert found["open_loop_5"] > 0


def test_mean_logits_of_both_sides_in_the_networks_units(continuous, rng):
    episode = _episode(continuous, 40, rng)
    found = _measure(continuous, [episode], 7, 0, seen=2)
    logits = episode.states[:-1, 0] / STD + 100.0 * episode.actions[:, 1] / 2.0
    assert found["logit_agent"] == pytest.approx(logits.mean(), rel=1e-4)
    assert found["logit_expert"] == pytest.approx(4.0 + 50.0)  # standardised already


def test_share_of_the_actions_in_the_slope_of_the_discriminator(continuous, rng):
    """The slope is 1 in a state's component, and 3 in an action's: 9 of 10."""
    episode = _episode(continuous, 40, rng)
    found = _measure(continuous, [episode], 7, 0, discriminator=lambda s, a: s[:, 0] + 3 * a[:, 1])
    assert found["action_share"] == pytest.approx(0.9)
    found = _measure(continuous, [episode], 7, 0, discriminator=lambda s, a: s[:, 0])
    assert found["action_share"] == 0.0


def test_share_of_one_hot_actions_leaves_out_what_they_all_share(discrete, rng):
    """A slope of (5, 1) over two actions is that of (2, -2): 8 of 9 beside a state's 1."""
    actions = np.eye(2, dtype=np.float32)[rng.integers(0, 2, 30)]
    states = rng.standard_normal((30, 4)).astype(np.float32)
    share = diagnostics.action_share(
        lambda s, a: s[:, 0] + 5.0 * a[:, 0] + a[:, 1], states, actions, discrete.discrete
    )
    assert share == pytest.approx(8 / 9)
