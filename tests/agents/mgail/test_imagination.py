"""The differentiable rollout: its gradient is Eq. 12-13, and matches finite differences."""

import numpy as np
import pytest
import tensorflow as tf

from mgail_tf.imagination import bounded, burn_in, first_recorded, imagine, replay_rollout
from mgail_tf.networks.discriminator import Discriminator
from mgail_tf.networks.forward_model import HadamardGRU, Vanilla
from mgail_tf.networks.policy import CategoricalPolicy, GaussianPolicy
from mgail_tf.objectives import costs_to_go, policy_cost
from mgail_tf.types import Sequences

GAMMA, T, BATCH = 0.9, 5, 2


def _networks(spec, model=Vanilla):
    if spec.discrete:
        policy = CategoricalPolicy(spec, [6], "tanh", 0, 0.7)
        policy.logits.dense[-1].kernel.assign(20 * policy.logits.dense[-1].kernel)
    else:
        policy = GaussianPolicy(spec, [6], "tanh", 0, -1.0, learn_std=True)
        policy.mean.dense[-1].kernel.assign(20 * policy.mean.dense[-1].kernel)
    return policy, model(spec, 5, 5.0, "relu", 1), Discriminator(spec, [7], "tanh", 2)


def _cost(policy, model, discriminator, start, noise, unroll=True):
    hidden = tf.zeros([BATCH, model.hidden_size], start.dtype)
    trajectory = imagine(policy, model, start, hidden, noise, unroll, with_end=False)
    costs = policy_cost(discriminator(trajectory.states[:-1], trajectory.actions), "log_d")
    to_go = costs_to_go(costs, trajectory.survival, None, GAMMA, 1.0, 0.0)
    return tf.reduce_sum(to_go[0]) / (1 - GAMMA), trajectory


def _recursion(policy, model, discriminator, trajectory, noise):
    """J_s and J_theta of Eq. 12-13, backwards from t = T, every Jacobian taken on its own."""
    variables = policy.trainable_variables
    j_s = np.zeros([BATCH, trajectory.states.shape[-1]])
    j_theta = [np.zeros(v.shape) for v in variables]
    hidden = tf.zeros([BATCH, model.hidden_size], tf.float64)
    for t in reversed(range(T)):
        s, a = tf.constant(trajectory.states[t]), tf.constant(trajectory.actions[t])
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([s, a])
            cost = policy_cost(discriminator(s, a), "log_d")
            ahead = model(s, a, hidden).next_states
            drawn = policy.sample(s, noise[t])
        d_s, d_a = tape.gradient(cost, s).numpy(), tape.gradient(cost, a).numpy()
        f_s, f_a = tape.batch_jacobian(ahead, s).numpy(), tape.batch_jacobian(ahead, a).numpy()
        pi_s = tape.batch_jacobian(drawn, s).numpy()
        pi_theta = [j.numpy() for j in tape.jacobian(drawn, [v.value for v in variables])]
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


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
@pytest.mark.parametrize("unroll", [True, False])
def test_tape_gradient_is_the_recursion_of_equations_12_and_13(float64, request, rng, kind, unroll):
    spec = request.getfixturevalue(kind)
    networks = _networks(spec)
    start = tf.constant(rng.normal(size=(BATCH, spec.state_size)) * 0.3)
    noise = tf.constant(rng.normal(size=(T, BATCH, spec.action_size)) * 0.3)
    variables = networks[0].trainable_variables
    with tf.GradientTape() as tape:
        tape.watch(start)
        cost, trajectory = _cost(*networks, start, noise, unroll)
    *by_tape, by_tape_s = tape.gradient(cost, [*(v.value for v in variables), start])
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
    start = tf.constant(rng.normal(size=(BATCH, 3)) * 0.3)
    noise = tf.constant(rng.normal(size=(T, BATCH, 2)) * 0.3)
    kernel = networks[0].mean.dense[0].kernel
    with tf.GradientTape() as tape:
        cost, _ = _cost(*networks, start, noise)
    gradient = tape.gradient(cost, kernel.value).numpy()
    value = kernel.numpy()
    for index in [(0, 0), (1, 3), (2, 5)]:
        step = np.zeros_like(value)
        step[index] = 1e-5
        kernel.assign(value + step)
        above, _ = _cost(*networks, start, noise)
        kernel.assign(value - step)
        below, _ = _cost(*networks, start, noise)
        kernel.assign(value)
        np.testing.assert_allclose(gradient[index], (above - below) / 2e-5, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_replay_rollout_has_recorded_values_and_a_gradient(float64, request, rng, kind):
    spec = request.getfixturevalue(kind)
    policy, model, discriminator = _networks(spec, HadamardGRU)
    states = tf.constant(rng.normal(size=(T + 1, BATCH, spec.state_size)))
    actions = rng.uniform(-1, 1, (T, BATCH, spec.action_size))
    if spec.discrete:
        actions = np.eye(spec.action_size)[actions.argmax(-1)]
    fresh = tf.constant(policy.draw_noise(rng, actions.shape).astype(np.float64))
    hidden = tf.zeros([BATCH, model.hidden_size], tf.float64)
    with tf.GradientTape() as tape:
        whole = tf.ones([T, BATCH], tf.float64)
        recorded = Sequences(states, actions, 0.0 * whole, whole)
        trajectory = replay_rollout(policy, model, recorded, fresh, hidden, True)
        cost = tf.reduce_sum(discriminator(trajectory.states[:-1], trajectory.actions))
    np.testing.assert_allclose(trajectory.states, states, atol=1e-12)
    np.testing.assert_allclose(trajectory.actions, actions, atol=1e-12)
    last_cost_alone = tape.gradient(cost, [v.value for v in policy.trainable_variables])
    assert all(g is not None and np.abs(g).max() > 0 for g in last_cost_alone)


def test_replay_begins_after_padding_and_ends_where_the_task_did(float64, continuous, rng):
    policy, model, discriminator = _networks(continuous, HadamardGRU)
    states, actions = rng.normal(size=(T + 1, 2, 3)), rng.uniform(-1, 1, (T, 2, 2))
    fresh, hidden = np.zeros((T, 2, 2)), tf.zeros([2, model.hidden_size], tf.float64)
    mask, ended = np.ones((T, 2)), np.zeros((T, 2))
    mask[:2, 1] = 0.0  # the second trajectory has T - 2 recorded steps, and ends the task
    ended[-1, 1] = 1.0
    variables = [v.value for v in policy.trainable_variables]

    def gradient(columns, first):
        steps = (states[first:], actions[first:], ended[first:], mask[first:])
        recorded = Sequences(*(tf.constant(x[:, columns]) for x in steps))
        rows = len(columns)
        with tf.GradientTape() as tape:
            trajectory = replay_rollout(
                policy, model, recorded, fresh[first:, :rows], hidden[:rows], True
            )
            costs = discriminator(trajectory.states[:-1], trajectory.actions)
            to_go = costs_to_go(costs, trajectory.survival, None, 0.9, 1.0, 4.0)
            loss = tf.reduce_sum(first_recorded(to_go, recorded.mask))
        return loss, tape.gradient(loss, variables), trajectory.survival

    both, by_both, survival = gradient([0, 1], 0)
    whole, by_whole, _ = gradient([0], 0)
    short, by_short, _ = gradient([1], 2)  # without its padding
    np.testing.assert_allclose(survival, 1.0 - ended)
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


def test_imagined_death_stops_the_cost(rng):
    costs = rng.uniform(size=(3, 1))
    survival = np.array([[1.0], [0.0], [1.0]])
    by_hand = 0.1 * (costs[0] + 0.9 * costs[1] + 0.81 * 4.0)  # step 2 is dead: 4 instead
    to_go = costs_to_go(tf.constant(costs), survival, None, 0.9, 1.0, 4.0)
    np.testing.assert_allclose(to_go[0], by_hand)
    values = tf.constant([[5.0], [6.0], [7.0]], tf.float64)
    endless = costs_to_go(tf.constant(costs), survival, values, 0.9, 1.0, 4.0)
    np.testing.assert_allclose(endless[0], 0.1 * (costs[0] + 0.9 * costs[1]) + 0.81 * 4.0)
    np.testing.assert_allclose(endless[2], 0.1 * costs[2] + 0.9 * 7.0)
    mixed = costs_to_go(tf.constant(costs), survival, values, 0.9, 0.8, 4.0)
    after = 0.8 * (0.1 * costs[1] + 0.9 * 4.0) + 0.2 * 5.0
    np.testing.assert_allclose(mixed[0], 0.1 * costs[0] + 0.9 * after)


@pytest.mark.parametrize("unroll", [True, False])
def test_model_errors_are_added_to_imagined_states_and_leave_the_gradient(
    float64, continuous, rng, unroll
):
    policy, model, _ = _networks(continuous)
    start = tf.constant(rng.normal(size=(BATCH, 3)) * 0.3)
    noise = tf.constant(rng.normal(size=(T, BATCH, 2)) * 0.3)
    errors = tf.constant(rng.normal(size=(T, BATCH, 3)) * 0.1)
    hidden = tf.zeros([BATCH, model.hidden_size], tf.float64)
    rest = hidden, noise, unroll, True, 0.0
    with tf.GradientTape() as tape:
        tape.watch(start)
        states, actions, _ = imagine(policy, model, start, *rest, errors)
        slope = states[1]
    for t in range(T):
        predicted = model(states[t], actions[t], hidden).next_states
        np.testing.assert_allclose(states[t + 1], predicted + errors[t], atol=1e-12)
    with tf.GradientTape() as plain:
        plain.watch(start)
        without = imagine(policy, model, start, *rest).states[1]
    np.testing.assert_allclose(
        tape.gradient(slope, start), plain.gradient(without, start), atol=1e-12
    )


def test_bounded_state_gradient_shortens_only_long_rows():
    states = tf.constant([[3.0, 4.0], [0.3, 0.4]])
    with tf.GradientTape() as tape:
        tape.watch(states)
        held = bounded(states, 2.0)
        cost = tf.reduce_sum(tf.square(held))
    np.testing.assert_array_equal(held, states)
    np.testing.assert_allclose(tape.gradient(cost, states), [[1.2, 1.6], [0.6, 0.8]], rtol=1e-6)


def test_bound_that_is_never_reached_leaves_the_gradient_exact(float64, continuous, rng):
    policy, model, discriminator = _networks(continuous, HadamardGRU)
    start = tf.constant(rng.normal(size=(BATCH, 3)) * 0.3)
    noise = tf.constant(rng.normal(size=(T, BATCH, 2)) * 0.3)
    hidden = tf.zeros([BATCH, model.hidden_size], tf.float64)
    variables = [v.value for v in policy.trainable_variables]
    gradients = []
    for limit in (0.0, 1e6, 1e-3):
        with tf.GradientTape() as tape:
            states, actions, _ = imagine(policy, model, start, hidden, noise, True, True, limit)
            cost = tf.reduce_sum(discriminator(states[:-1], actions))
        gradients.append(np.concatenate([np.ravel(g) for g in tape.gradient(cost, variables)]))
    np.testing.assert_allclose(gradients[0], gradients[1], rtol=0, atol=1e-12)
    assert np.abs(gradients[0] - gradients[2]).max() > 1e-6


@pytest.mark.parametrize("limit", [0.0, 1e-3])
def test_what_a_cost_of_the_end_sends_back_through_the_first_state_is_bounded(
    float64, continuous, rng, limit
):
    policy, model, discriminator = _networks(continuous, HadamardGRU)
    start = tf.constant(rng.normal(size=(BATCH, 3)) * 0.3)
    noise = tf.constant(rng.normal(size=(T, BATCH, 2)) * 0.3)
    hidden = tf.zeros([BATCH, model.hidden_size], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(start)
        states, actions, _ = imagine(policy, model, start, hidden, noise, True, True, limit)
        cost = 1e3 * tf.reduce_sum(discriminator(states[-1:], actions[-1:]))
    norms = np.linalg.norm(tape.gradient(cost, start), axis=-1)
    if limit:
        np.testing.assert_allclose(norms, limit, rtol=1e-6)  # each trajectory's for itself
    else:
        assert norms.min() > 1e-3
