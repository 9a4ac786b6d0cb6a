"""What MGAIL minimises: the forward model's loss, discounted costs, the value's regression."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from mgail_tf.agents.mgail.objectives import (
    forward_model_loss,
    lambda_costs,
    masked_mean,
    value_loss,
)
from mgail_tf.networks.forward_model import HadamardGRU
from mgail_tf.types import Sequences

# -- the forward model's ---------------------------------------------------------------------


@pytest.fixture
def model(float64, continuous, rng):
    made = HadamardGRU(continuous, 5, 5.0, "relu", 0)
    for variable in made.variables:
        variable.assign(0.6 * rng.normal(size=variable.shape))
    return made


@pytest.fixture
def stretches(rng) -> Sequences:
    """Three stretches of four steps, of which 4, 2 and 1 are recorded."""
    mask = np.array([[1, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]], np.float64)
    states, actions = rng.normal(size=(5, 3, 3)), rng.uniform(-1, 1, (4, 3, 2))
    terminated = np.array([[0, 1, 1], [0, 1, 0], [0, 0, 1], [1, 0, 1]], np.float64)
    return Sequences(states, actions, terminated, mask)


def _tensors(sequences):
    return Sequences(*(tf.constant(x) for x in sequences))


@pytest.mark.parametrize("unroll", [True, False])
@pytest.mark.parametrize("forced", [None, 2, 3])
def test_forward_model_loss_is_the_mean_over_recorded_steps(model, stretches, forced, unroll):
    errors, entropies = [], []
    for b, first in enumerate((0, 2, 3)):  # one stretch at a time, from its first recorded step
        hidden, ahead = tf.zeros([1, 5], tf.float64), None
        for t in range(first, 4):
            at = slice(b, b + 1)
            own = forced and t >= forced and t > first
            state = ahead if own else stretches.states[t, at]
            predicted = model(state, stretches.actions[t, at], hidden)
            hidden, ahead = predicted.hidden, predicted.next_states
            errors.append(np.sum((predicted.next_states - stretches.states[t + 1, at]) ** 2))
            p_end = special.expit(predicted.termination_logits.numpy()[0])
            ended = stretches.terminated[t, b]
            entropies.append(-ended * np.log(p_end) - (1 - ended) * np.log(1 - p_end))
    error, entropy = forward_model_loss(model, _tensors(stretches), forced, unroll)
    assert len(errors) == 7
    np.testing.assert_allclose(error, np.mean(errors), atol=1e-12)
    np.testing.assert_allclose(entropy, np.mean(entropies), atol=1e-12)


@pytest.mark.parametrize("forced", [None, 1])
def test_forward_model_loss_and_gradient_do_not_depend_on_padding(model, stretches, forced):
    padding = stretches.mask[..., None] == 0
    states = np.concatenate([np.where(padding, 100.0, stretches.states[:4]), stretches.states[4:]])
    other = stretches._replace(
        states=states,
        actions=np.where(padding, -7.0, stretches.actions),
        terminated=np.where(stretches.mask == 0, 1 - stretches.terminated, stretches.terminated),
    )
    results = []
    for sequences in (stretches, other):
        with tf.GradientTape() as tape:
            losses = forward_model_loss(model, _tensors(sequences), forced, False)
            loss = tf.add_n(losses)
        gradient = tape.gradient(loss, [v.value for v in model.trainable_variables])
        results.append([*losses, *gradient])
    for clean, padded in zip(*results, strict=True):
        np.testing.assert_allclose(clean, padded, atol=1e-12)


# -- costs and values ------------------------------------------------------------------------


def test_imagined_termination_stops_the_cost(rng):
    costs = rng.uniform(size=(3, 1))
    continuation = np.array([[1.0], [0.0], [1.0]])
    values = tf.constant([[5.0], [6.0], [7.0]], tf.float64)

    def to_go(values, td_lambda=1.0):
        return lambda_costs(tf.constant(costs), continuation, values, 0.9, td_lambda, 4.0)

    by_hand = 0.1 * (costs[0] + 0.9 * costs[1] + 0.81 * 4.0)  # step 2 is dead: 4 instead
    np.testing.assert_allclose(to_go(None)[0], by_hand)
    endless = to_go(values)
    np.testing.assert_allclose(endless[0], 0.1 * (costs[0] + 0.9 * costs[1]) + 0.81 * 4.0)
    np.testing.assert_allclose(endless[2], 0.1 * costs[2] + 0.9 * 7.0)
    after = 0.8 * (0.1 * costs[1] + 0.9 * 4.0) + 0.2 * 5.0
    np.testing.assert_allclose(to_go(values, 0.8)[0], 0.1 * costs[0] + 0.9 * after)


@pytest.mark.parametrize("td_lambda", [0.0, 0.7, 1.0])
def test_lambda_costs_are_the_mixture_of_n_step_costs(td_lambda, rng):
    """Brute force, nothing terminating: sum over n of (1 - lambda) lambda^(n-1) G^(n)."""
    steps, gamma = 5, 0.9
    costs, values = rng.uniform(size=(steps, 2)), rng.uniform(size=(steps, 2))
    found = lambda_costs(tf.constant(costs), np.ones((steps, 2)), values, gamma, td_lambda, 4.0)
    for t in range(steps):
        left = steps - t
        returns = [
            (1 - gamma) * sum(gamma**k * costs[t + k] for k in range(n))
            + gamma**n * values[t + n - 1]
            for n in range(1, left + 1)
        ]
        weights = [(1 - td_lambda) * td_lambda ** (n - 1) for n in range(1, left)]
        weights.append(td_lambda ** (left - 1))
        np.testing.assert_allclose(found[t], np.tensordot(weights, returns, 1), atol=1e-12)


def test_value_loss_is_the_mean_square_where_steps_are_recorded(rng):
    states, targets = rng.normal(size=(4, 3, 2)), rng.normal(size=(4, 3))
    mask = np.array([[1, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]], np.float64)
    errors = (states.sum(-1) - targets)[mask == 1]
    loss = value_loss(lambda s: tf.reduce_sum(s, -1), tf.constant(states), targets, mask)
    np.testing.assert_allclose(loss, np.mean(errors**2), atol=1e-12)
    np.testing.assert_allclose(masked_mean(targets, mask), targets[mask == 1].mean())
