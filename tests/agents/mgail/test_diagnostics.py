"""What is measured of an evaluation's episodes, with networks whose errors are known."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from mgail_tf import held_out
from mgail_tf.networks.forward_model import Prediction
from mgail_tf.normaliser import Normaliser
from mgail_tf.types import Episode, Pairs

STD = 2.0
OFF = 0.25  # what the model is off by, each step and component


def _episode(spec, length, rng):
    """Each step adds the action's first component, doubled to be in environment units."""
    actions = rng.uniform(-2.0, 2.0, (length, spec.action_size)).astype(np.float32)
    moved = np.concatenate([np.zeros((1, 1)), np.cumsum(actions[:, :1], 0)])
    states = np.tile(moved, spec.state_size).astype(np.float32)
    rewards = np.zeros(length)
    return Episode(states, actions, actions / 2.0, rewards, length < 10, length >= 10, False)


def _learner(spec, horizon, warm, seen=3):
    def model(states, actions, hidden):
        """Count the steps; be off where fewer than `warm` came before."""
        off = OFF + tf.where(hidden < warm, 10.0, 0.0)
        ahead = states + actions[:, :1] * 2.0 / STD + off
        return Prediction(ahead, hidden + 1.0, states[:, 0])

    model.hidden_size = 1
    return SimpleNamespace(
        spec=spec,
        normaliser=Normaliser(np.zeros(seen), np.full(seen, STD), 1e6),
        slow_model=model,
        discriminator=lambda states, actions: states[:, 0] + 100.0 * actions[:, 1],
        config=SimpleNamespace(burn_in=warm, horizon=horizon),
    )


@pytest.mark.parametrize("lengths", [(30, 12), (21,)])
def test_open_loop_error_grows_by_what_the_model_is_off_a_step(continuous, rng, lengths):
    episodes = [_episode(continuous, length, rng) for length in lengths]
    found = held_out.measure(_learner(continuous, 20, 0), episodes, _pairs())
    assert found["open_loop_1"] == pytest.approx(OFF, rel=1e-4)
    assert found["open_loop_5"] == pytest.approx(5 * OFF, rel=1e-4)
    assert found["open_loop_T"] == pytest.approx(20 * OFF, rel=1e-4)  # of the longer one alone


def test_hidden_state_is_warmed_up_on_the_recorded_steps_before(continuous, rng):
    """All but the first three of 60 steps have three before them to count."""
    found = held_out.measure(_learner(continuous, 5, 3), [_episode(continuous, 60, rng)], _pairs())
    cold = (found["open_loop_1"] ** 2 - OFF**2) / ((10.0 + OFF) ** 2 - OFF**2)
    assert 0.02 < cold < 0.1  # 3 of 60


def test_logit_of_imagined_states_differs_by_what_the_model_is_off(continuous, rng):
    learner = _learner(continuous, 20, 0)
    learner.discriminator = lambda states, actions: states[:, 0]
    episode = _episode(continuous, 20, rng)  # one stretch, drawn again and again
    found = held_out.measure(learner, [episode], _pairs())
    assert found["logit_agent"] == pytest.approx(episode.states[:20, 0].mean() / STD, rel=1e-4)
    imagined = episode.states[1:20, 0] / STD + OFF * np.arange(1, 20)
    assert found["logit_imagined"] == pytest.approx(imagined.mean(), rel=1e-4)


def test_no_episode_is_as_long_as_the_horizon(continuous, rng):
    found = held_out.measure(_learner(continuous, 7, 2), [_episode(continuous, 6, rng)], _pairs())
    assert math.isnan(found["open_loop_T"]) and math.isnan(found["logit_imagined"])
    assert found["open_loop_5"] > 0


def test_mean_logits_of_both_sides_in_the_networks_units(continuous, rng):
    episodes = [_episode(continuous, 40, rng)]
    found = held_out.measure(_learner(continuous, 7, 0, seen=2), episodes, _pairs())
    (episode,) = episodes
    logits = episode.states[:-1, 0] / STD + 100.0 * episode.actions[:, 1] / 2.0
    assert found["logit_agent"] == pytest.approx(logits.mean(), rel=1e-4)
    assert found["logit_expert"] == pytest.approx(4.0 / STD + 50.0)


def _pairs():
    return Pairs(np.full((8, 3), 4.0, np.float32), np.full((8, 2), 0.5, np.float32))
