"""The differentiable rollout: its gradient is Eq. 12-13, and matches finite differences."""

import numpy as np
import pytest
import tensorflow as tf

from mgail_tf.agents.mgail.imagination import (
    burn_in,
    clip_state_gradient,
    dynamics_of,
    first_recorded,
    imagine,
    never_terminating,
    replay_rollout,
    with_errors,
)
from mgail_tf.agents.mgail.objectives import lambda_costs
from mgail_tf.networks.discriminator import Discriminator, policy_cost
from mgail_tf.networks.forward_model import HadamardGRU, Vanilla
from mgail_tf.networks.policy import CategoricalPolicy, GaussianPolicy
from mgail_tf.types import Sequences

GAMMA, T, BATCH = 0.9, 5, 2


def _networks(spec, model=Vanilla):
    if spec.discrete:
        policy = CategoricalPolicy(spec, [6], "tanh", 0, 0.7)
        last = policy.logits.dense[-1]
    else:
        policy = GaussianPolicy(spec, [6], "tanh", 0, -1.0, learn_std=True)
        last = policy.mean.dense[-1]
    last.kernel.assign(20 * last.kernel)
    return policy, model(spec, 5, 5.0, "relu", 1), Discriminator(spec, [7], "tanh", 2)


def _given(spec, model, rng):
    """Return (start, hidden, noise) of a rollout."""
    start = tf.constant(rng.normal(size=(BATCH, spec.state_size)) * 0.3)
    noise = tf.constant(rng.normal(size=(T, BATCH, spec.action_size)) * 0.3)
    return start, tf.zeros([BATCH, model.hidden_size], start.dtype), noise


def _values(policy):
    return [v.value for v in policy.trainable_variables]


def _cost(policy, model, discriminator, start, hidden, noise, unroll=True):
    dynamics = never_terminating(dynamics_of(model))
    trajectory = imagine(policy, dynamics, start, hidden, noise, unroll)
    np.testing.assert_array_equal(trajectory.continuation, np.ones((T, BATCH)))
    costs = policy_cost(discriminator(trajectory.states[:-1], trajectory.actions), "log_d")
    to_go = lambda_costs(costs, trajectory.continuation, None, GAMMA, 1.0, 0.0)
    return tf.reduce_sum(to_go[0]) / (1 - GAMMA), trajectory


def _recursion(policy, model, discriminator, trajectory, noise):
    """J_s and J_theta of Eq. 12-13, backwards from t = T, every Jacobian taken on its own."""
    j_s = np.zeros([BATCH, trajectory.states.shape[-1]])
    j_theta = [np.zeros(v.shape) for v in policy.trainable_variables]
    hidden = tf.zeros([BATCH, model.hidden_size], tf.float64)
    for t in reversed(range(T)):
        s, a = tf.constant(trajectory.states[t]), tf.constant(trajectory.actions[t])
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([s, a])
            cost = policy_cost(discriminator(s, a), "log_d")
            ahead = model(s, a, hidden).next_states
            drawn = policy.sample(s, noise[t])
        d_s, d_a = tape.gradient(cost, s).numpy(), tape.gradient(cost, a).numpy()
        f_s, f_a, pi_s = (
            tape.batch_jacobian(y, x, experimental_use_pfor=False).numpy()
            for y, x in ((ahead, s), (ahead, a), (drawn, s))
        )
        pi_theta = tape.jacobian(drawn, _values(policy), experimental_use_pfor=False)
        through_a = d_a + GAMMA * np.einsum("bs,bsa->ba", j_s, f_a)  # Da + gamma J'_s f_a
        j_theta = [
            np.einsum("ba,ba...->...", through_a, p) + GAMMA * j  # Eq. 13
            for p, j in zip(pi_theta, j_theta, strict=True)
        ]
        j_s = (  # Eq. 12
            d_s
            + np.einsum("ba,bas->bs", d_a, pi_s)
            + GAMMA * np.einsum("bk,bks->bs", j_s, f_s + np.einsum("bka,bas->bks", f_a, pi_s))
        )
    return j_s, j_theta


@pytest.mark.parametrize("unroll", [True, False])
def test_tape_gradient_is_the_recursion_of_equations_12_and_13(float64, spec, rng, unroll):
    networks = _networks(spec)
    start, hidden, noise = _given(spec, networks[1], rng)
    with tf.GradientTape() as tape:
        tape.watch(start)
        cost, trajectory = _cost(*networks, start, hidden, noise, unroll)
    *by_tape, by_tape_s = tape.gradient(cost, [*_values(networks[0]), start])
    if not spec.discrete:
        assert np.abs(trajectory.actions).max() < 1  # else the clipping would be part of pi
    j_s, j_theta = _recursion(*networks, trajectory, noise)
    np.testing.assert_allclose(by_tape_s, j_s, rtol=0, atol=1e-10)
    for tape_gradient, recursion in zip(by_tape, j_theta, strict=True):
        assert np.abs(recursion).max() > 1e-6
        np.testing.assert_allclose(tape_gradient, recursion, rtol=0, atol=1e-10)


@pytest.mark.parametrize("model", [Vanilla, HadamardGRU])
def test_gradient_equals_finite_differences_with_fixed_noise(float64, continuous, rng, model):
    networks = _networks(continuous, model)
    given = _given(continuous, networks[1], rng)
    kernel = networks[0].mean.dense[0].kernel
    with tf.GradientTape() as tape:
        cost, _ = _cost(*networks, *given)
    gradient = tape.gradient(cost, kernel.value).numpy()
    value = kernel.numpy()
    for index in [(0, 0), (1, 3), (2, 5)]:
        step = np.zeros_like(value)
        step[index] = 1e-5
        kernel.assign(value + step)
        above, _ = _cost(*networks, *given)
        kernel.assign(value - step)
        below, _ = _cost(*networks, *given)
        kernel.assign(value)
        np.testing.assert_allclose(gradient[index], (above - below) / 2e-5, rtol=1e-5, atol=1e-9)


# -- replayed steps --------------------------------------------------------------------------


def test_replay_rollout_has_recorded_values_and_a_gradient(float64, spec, rng):
    policy, model, discriminator = _networks(spec, HadamardGRU)
    states = tf.constant(rng.normal(size=(T + 1, BATCH, spec.state_size)))
    actions = rng.uniform(-1, 1, (T, BATCH, spec.action_size))
    if spec.discrete:
        actions = np.eye(spec.action_size)[actions.argmax(-1)]
    fresh = tf.constant(policy.draw_noise(rng, actions.shape).astype(np.float64))
    hidden = tf.zeros([BATCH, model.hidden_size], tf.float64)
    whole = tf.ones([T, BATCH], tf.float64)
    recorded = Sequences(states, actions, 0.0 * whole, whole)
    with tf.GradientTape() as tape:
        trajectory = replay_rollout(policy, dynamics_of(model), recorded, hidden, fresh, True)
        cost = tf.reduce_sum(discriminator(trajectory.states[:-1], trajectory.actions))
    np.testing.assert_allclose(trajectory.states, states, atol=1e-12)
    np.testing.assert_allclose(trajectory.actions, actions, atol=1e-12)
    assert all(g is not None and np.abs(g).max() > 0 for g in tape.gradient(cost, _values(policy)))


def test_replay_begins_after_padding_and_ends_where_the_task_did(float64, continuous, rng):
    policy, model, discriminator = _networks(continuous, HadamardGRU)
    states, actions = rng.normal(size=(T + 1, 2, 3)), rng.uniform(-1, 1, (T, 2, 2))
    fresh, hidden = np.zeros((T, 2, 2)), tf.zeros([2, model.hidden_size], tf.float64)
    mask, ended = np.ones((T, 2)), np.zeros((T, 2))
    mask[:2, 1] = 0.0  # the second trajectory has T - 2 recorded steps, and ends the task
    ended[-1, 1] = 1.0

    def gradient(columns, first):
        steps = (states[first:], actions[first:], ended[first:], mask[first:])
        recorded = Sequences(*(tf.constant(x[:, columns]) for x in steps))
        rows = len(columns)
        with tf.GradientTape() as tape:
            trajectory = replay_rollout(
                policy, dynamics_of(model), recorded, hidden[:rows], fresh[first:, :rows], True
            )
            costs = discriminator(trajectory.states[:-1], trajectory.actions)
            to_go = lambda_costs(costs, trajectory.continuation, None, 0.9, 1.0, 4.0)
            loss = tf.reduce_sum(first_recorded(to_go, trajectory.mask))
        np.testing.assert_array_equal(trajectory.mask, recorded.mask)
        return loss, tape.gradient(loss, _values(policy)), trajectory.continuation

    both, by_both, continuation = gradient([0, 1], 0)
    whole, by_whole, _ = gradient([0], 0)
    short, by_short, _ = gradient([1], 2)  # without its padding
    np.testing.assert_allclose(continuation, 1.0 - ended)
    np.testing.assert_allclose(both, whole + short, atol=1e-12)
    for found, one, other in zip(by_both, by_whole, by_short, strict=True):
        assert np.abs(other).max() > 1e-9
        np.testing.assert_allclose(found, one + other, atol=1e-12)


def test_hidden_state_is_carried_and_starts_over_at_padding(float64, continuous, rng):
    _, model, _ = _networks(continuous, HadamardGRU)
    states, actions = rng.normal(size=(3, 1, 3)), rng.normal(size=(3, 1, 2))
    padded = burn_in(model, states, actions, tf.constant([[0.0], [1.0], [1.0]], tf.float64))
    short = burn_in(model, states[1:], actions[1:], tf.ones([2, 1], tf.float64))
    whole = burn_in(model, states, actions, tf.ones([3, 1], tf.float64))
    np.testing.assert_allclose(padded, short, atol=1e-15)
    assert np.abs(whole - short).max() > 1e-3


# -- what is beyond the paper ----------------------------------------------------------------


def test_continuation_is_what_the_model_predicts(float64, continuous, rng):
    policy, model, _ = _networks(continuous)
    start, hidden, noise = _given(continuous, model, rng)
    states, actions, found, mask = imagine(policy, dynamics_of(model), start, hidden, noise, True)
    np.testing.assert_array_equal(mask, np.ones((T, BATCH)))
    for t in range(T):
        logits = model(states[t], actions[t], hidden).termination_logits
        np.testing.assert_allclose(found[t], 1 - 1 / (1 + np.exp(-logits.numpy())), atol=1e-12)
    assert np.ptp(found) > 1e-3


@pytest.mark.parametrize("unroll", [True, False])
def test_model_errors_are_added_to_imagined_states_and_leave_the_gradient(
    float64, continuous, rng, unroll
):
    policy, model, _ = _networks(continuous)
    start, hidden, noise = _given(continuous, model, rng)
    errors = tf.constant(rng.normal(size=(T, BATCH, 3)) * 0.1)
    exact = dynamics_of(model)

    def slope(dynamics):
        with tf.GradientTape() as tape:
            tape.watch(start)
            trajectory = imagine(policy, dynamics, start, hidden, noise, unroll)
            ahead = trajectory.states[1]
        return trajectory, tape.gradient(ahead, start)

    (states, actions, *_), by_errors = slope(with_errors(exact, errors))
    _, plain = slope(exact)
    for t in range(T):
        predicted = model(states[t], actions[t], hidden).next_states
        np.testing.assert_allclose(states[t + 1], predicted + errors[t], atol=1e-12)
    np.testing.assert_allclose(by_errors, plain, atol=1e-12)


def test_clipped_state_gradient_shortens_only_long_rows():
    states = tf.constant([[3.0, 4.0], [0.3, 0.4]])
    with tf.GradientTape() as tape:
        tape.watch(states)
        held = clip_state_gradient(2.0)(states)
        cost = tf.reduce_sum(tf.square(held))
    np.testing.assert_array_equal(held, states)
    np.testing.assert_allclose(tape.gradient(cost, states), [[1.2, 1.6], [0.6, 0.8]], rtol=1e-6)


def test_bound_that_is_never_reached_leaves_the_gradient_exact(float64, continuous, rng):
    policy, model, discriminator = _networks(continuous, HadamardGRU)
    given = _given(continuous, model, rng)
    gradients = []
    for options in ({}, {"see": clip_state_gradient(1e6)}, {"see": clip_state_gradient(1e-3)}):
        with tf.GradientTape() as tape:
            trajectory = imagine(policy, dynamics_of(model), *given, True, **options)
            cost = tf.reduce_sum(discriminator(trajectory.states[:-1], trajectory.actions))
        parts = tape.gradient(cost, _values(policy))
        gradients.append(np.concatenate([np.ravel(g) for g in parts]))
    np.testing.assert_allclose(gradients[0], gradients[1], rtol=0, atol=1e-12)
    assert np.abs(gradients[0] - gradients[2]).max() > 1e-6


@pytest.mark.parametrize("limit", [None, 1e-3])
def test_what_a_cost_of_the_end_sends_back_through_the_first_state_is_bounded(
    float64, continuous, rng, limit
):
    policy, model, discriminator = _networks(continuous, HadamardGRU)
    start, hidden, noise = _given(continuous, model, rng)
    options = {"see": clip_state_gradient(limit)} if limit else {}
    with tf.GradientTape() as tape:
        tape.watch(start)
        trajectory = imagine(policy, dynamics_of(model), start, hidden, noise, True, **options)
        cost = 1e3 * tf.reduce_sum(discriminator(trajectory.states[-1:], trajectory.actions[-1:]))
    norms = np.linalg.norm(tape.gradient(cost, start), axis=-1)
    if limit:
        np.testing.assert_allclose(norms, limit, rtol=1e-6)  # each trajectory's for itself
    else:
        assert norms.min() > 1e-3
