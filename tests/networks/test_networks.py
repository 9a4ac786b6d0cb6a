"""The networks: their samples, inferred noise, equations, averages and optimiser steps."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from mgail_tf.networks.ema import RunningAverage, soft_update
from mgail_tf.networks.forward_model import (
    ConcatenationGRU,
    FilmGRU,
    Hadamard,
    HadamardGRU,
    SumGRU,
    Vanilla,
)
from mgail_tf.networks.minimise import minimise
from mgail_tf.networks.mlp import MLP
from mgail_tf.networks.policy import CategoricalPolicy, GaussianPolicy, cloning_loss
from mgail_tf.types import Spec

TAU = 0.7
FOUR = np.ones(4, np.float32)
SQUARE = Spec("Some-v0", 4, 4, True, -FOUR, FOUR, 100)  # as many states as actions


def _transparent(temperature=TAU):
    """Return a categorical policy whose logits are its states."""
    policy = CategoricalPolicy(SQUARE, [], "tanh", 0, temperature)
    policy.logits.dense[0].kernel.assign(np.eye(4))
    return policy


def _gaussian(spec):
    policy = GaussianPolicy(spec, [6], "tanh", 0, -0.5, learn_std=True)
    policy.mean.dense[-1].kernel.assign(20 * policy.mean.dense[-1].kernel)
    policy.log_std.assign([-0.5, 0.2])
    return policy


# -- samples ---------------------------------------------------------------------------------


def test_categorical_sample_is_exactly_the_one_hot_argmax(rng):
    states = rng.normal(size=(500, 4)).astype(np.float32)
    noise = rng.gumbel(size=states.shape).astype(np.float32)
    drawn = _transparent().sample(states, noise).numpy()
    log_pi = states - special.logsumexp(states, -1, keepdims=True)
    assert len(set((noise + log_pi).argmax(-1))) == 4
    np.testing.assert_array_equal(drawn, np.eye(4)[(noise + log_pi).argmax(-1)])


def test_categorical_gradient_is_the_softmax_one_and_agrees_with_the_relaxed_density(float64, rng):
    """Change of variables: Gumbel differences, logistic, map to the soft sample with `jacobian`."""
    states, noise = tf.constant(rng.normal(size=(6, 4))), rng.gumbel(size=(6, 4))
    policy = _transparent()
    with tf.GradientTape() as tape:
        tape.watch(states)
        drawn = policy.sample(states, noise)
    jacobian = tape.batch_jacobian(drawn, states).numpy()
    soft = special.softmax((states.numpy() + noise) / TAU, -1)
    by_hand = (np.eye(4) * soft[:, None] - soft[:, :, None] * soft[:, None]) / TAU
    assert np.abs(by_hand).max() > 0.1
    np.testing.assert_allclose(jacobian, by_hand, rtol=0, atol=1e-12)
    differences = noise[:, :3] - noise[:, 3:]
    log_density = (
        np.log(6.0)  # Gamma(4)
        - differences.sum(-1)
        - 4 * np.log1p(np.exp(-differences).sum(-1))
        - np.linalg.slogdet(jacobian[:, :3, :3])[1]
    )
    np.testing.assert_allclose(policy.relaxed(states).log_prob(soft), log_density, atol=1e-9)


def test_gaussian_sample_is_mean_plus_std_times_noise(float64, continuous, rng):
    policy = _gaussian(continuous)
    states, noise = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    first, second = (layer.get_weights() for layer in policy.mean.dense)
    mean = np.tanh(np.tanh(states @ first[0] + first[1]) @ second[0] + second[1])
    expected = mean + np.exp([-0.5, 0.2]) * noise
    np.testing.assert_allclose(policy.sample(states, noise), expected, atol=1e-14)


def test_gaussian_gradient_has_the_expectation_of_equation_10(float64, continuous):
    """E D for D = c.a^2 is c.(mean^2 + std^2); Gauss-Hermite noise makes the average exact."""
    policy, state = _gaussian(continuous), np.array([[0.3, -0.8, 0.5]])
    c = np.array([1.5, -0.7])
    nodes, weights = np.polynomial.hermite_e.hermegauss(3)
    noise = np.array([[x, y] for x in nodes for y in nodes])
    weight = np.array([x * y for x in weights for y in weights]) / (2 * np.pi)
    bias = policy.mean.dense[-1].bias
    with tf.GradientTape() as tape:
        drawn = policy.sample(np.repeat(state, 9, 0), noise)
        expected_d = tf.reduce_sum(weight[:, None] * c * drawn**2)
    by_bias, by_log_std = tape.gradient(expected_d, [bias.value, policy.log_std.value])
    mean = policy(state).numpy()[0]
    np.testing.assert_allclose(by_bias, 2 * c * mean * (1 - mean**2), atol=1e-12)
    np.testing.assert_allclose(by_log_std, 2 * c * np.exp([-1.0, 0.4]), atol=1e-12)


def test_gaussian_log_prob_has_a_gradient_at_its_own_sample(float64, continuous, rng):
    policy, states = _gaussian(continuous), rng.normal(size=(5, 3))
    noise = rng.normal(size=(5, 2))
    with tf.GradientTape() as tape:
        drawn = tf.stop_gradient(policy.sample(states, noise))
        log_prob = tf.reduce_sum(policy.distribution(states).log_prob(drawn))
    bias, log_std = tape.gradient(
        log_prob, [policy.mean.dense[-1].bias.value, policy.log_std.value]
    )
    mean, std = policy(states).numpy(), np.exp([-0.5, 0.2])
    np.testing.assert_allclose(bias, (noise / std * (1 - mean**2)).sum(0), atol=1e-12)
    np.testing.assert_allclose(log_std, (noise**2 - 1).sum(0), atol=1e-12)


def test_frozen_distribution_has_the_same_density_and_no_gradient(spec, rng):
    policy = CategoricalPolicy(spec, [6], "tanh", 0, TAU) if spec.discrete else _gaussian(spec)
    states = tf.constant(rng.normal(size=(5, spec.state_size)), tf.float32)
    with tf.GradientTape(persistent=True) as tape:
        frozen = policy.distribution(states, frozen=True)
        live = policy.distribution(states)
        actions = tf.stop_gradient(live.sample(seed=1))
        log_probs = frozen.log_prob(actions), live.log_prob(actions)
    variables = [v.value for v in policy.trainable_variables]
    np.testing.assert_array_equal(*log_probs)
    assert all(g is None for g in tape.gradient(log_probs[0], variables))
    assert all(g is not None for g in tape.gradient(log_probs[1], variables))


# -- inferred noise --------------------------------------------------------------------------


def test_inferred_gaussian_noise_draws_the_action_again(float64, continuous, rng):
    policy = _gaussian(continuous)
    states, actions = rng.normal(size=(50, 3)), rng.uniform(-1, 1, (50, 2))
    noise = policy.infer_noise(states, actions, None)
    np.testing.assert_allclose(policy.sample(states, noise), actions, atol=1e-14)


@pytest.mark.parametrize("scale", [1.0, 10.0, 100.0])
def test_inferred_gumbel_noise_draws_the_action_again(scale, rng):
    """However unlikely the present policy finds the recorded action."""
    policy = _transparent()
    states = (scale * rng.normal(size=(400, 4))).astype(np.float32)
    actions = np.eye(4, dtype=np.float32)[rng.integers(4, size=400)]
    noise = policy.infer_noise(states, actions, policy.draw_noise(rng, (400, 4)))
    np.testing.assert_array_equal(policy.sample(states, noise), actions)


def test_noise_inferred_from_the_policys_own_actions_is_standard_gumbel(float64, rng):
    policy, count = _transparent(), 20_000
    states = np.tile([1.0, 0.0, -0.5, 0.3], (count, 1))
    actions = policy.sample(states, rng.gumbel(size=states.shape))
    noise = policy.infer_noise(states, actions, rng.gumbel(size=states.shape)).numpy()
    for component in noise.T:
        assert stats.kstest(component, "gumbel_r").pvalue > 1e-3
    correlation = np.corrcoef(noise.T) - np.eye(4)
    assert np.abs(correlation).max() < 4 / np.sqrt(count)


def test_noise_inferred_from_chosen_actions_is_the_posterior(float64, rng):
    """Brute force: of many draws, keep those that choose the action."""
    policy, logits = _transparent(), np.array([1.0, 0.0, -0.5, 0.3])
    draws = rng.gumbel(size=(200_000, 4))
    kept = draws[(draws + logits).argmax(-1) == 2]
    count = len(kept)
    actions = np.tile(np.eye(4)[2], (count, 1))
    fresh = rng.gumbel(size=(count, 4))
    inferred = policy.infer_noise(np.tile(logits, (count, 1)), actions, fresh).numpy()
    for found, expected in zip(inferred.T, kept.T, strict=True):
        assert stats.ks_2samp(found, expected).pvalue > 1e-3


@pytest.mark.parametrize(
    ("policy", "law"), [(GaussianPolicy, "norm"), (CategoricalPolicy, "gumbel_r")]
)
def test_drawn_noise_has_the_policys_law(policy, law, rng):
    noise = policy.draw_noise(rng, (100, 50, 4))
    assert (noise.shape, noise.dtype) == ((100, 50, 4), np.float32)
    assert stats.kstest(noise.ravel(), law).pvalue > 1e-3


# -- cloning ---------------------------------------------------------------------------------


def test_cloning_loss_is_scipys(float64, spec, rng):
    states, chosen = tf.constant(rng.normal(size=(9, spec.state_size))), rng.integers(3, size=9)
    if spec.discrete:
        policy = CategoricalPolicy(spec, [6], "tanh", 0, 1.0)
        policy.logits.dense[-1].bias.assign([1.0, -2.0, 0.5])
        actions = np.eye(3)[chosen]
        log_prob = np.log(special.softmax(policy(states).numpy(), -1))[np.arange(9), chosen]
    else:
        policy, actions = _gaussian(spec), rng.uniform(-1, 1, (9, 2))
        log_prob = stats.norm.logpdf(actions, policy(states), np.exp([-0.5, 0.2])).sum(-1)
    loss = cloning_loss(policy, states, tf.constant(actions))
    np.testing.assert_allclose(loss, -log_prob.mean(), atol=1e-12)


# -- forward models against a transcription in NumPy -----------------------------------------


def _dense(layer, x, activation=lambda x: x):
    kernel, bias = layer.get_weights()
    return activation(x @ kernel + bias)


def _relu(x):
    return np.maximum(x, 0)


def _gru(cell, x, h):
    """Equations of Cho et al. 2014: the reset gate acts before the recurrent kernel."""
    units = h.shape[-1]
    kernel, recurrent, bias = cell.get_weights()
    w_z, w_r, w_h = np.split(kernel, [units, 2 * units], 1)
    u_z, u_r, u_h = np.split(recurrent, [units, 2 * units], 1)
    b_z, b_r, b_h = np.split(bias, 3)
    z = special.expit(x @ w_z + h @ u_z + b_z)
    r = special.expit(x @ w_r + h @ u_r + b_r)
    proposal = np.tanh(x @ w_h + (r * h) @ u_h + b_h)
    return z * h + (1 - z) * proposal


def _hadamard_gru(model, states, actions, hidden):
    """Return (code before the decoder, memory) of Section 3.5."""
    memory = _gru(model.gru, _dense(model.state_in.dense[0], states, _relu), hidden)
    code = actions
    for layer in model.action_in.dense:
        code = _dense(layer, code, _relu)
    return code * _dense(model.state_out.dense[0], memory, _relu), memory


def _parts(model, states, actions, hidden):
    """Return what each variant leaves out of Section 3.5, or replaces."""
    code = _dense(model.state_in.dense[0], states, _relu)
    memory = _gru(model.gru, code, hidden) if model.memory else hidden
    state = _dense(model.state_out.dense[0], memory if model.memory else code, _relu)
    action = actions
    for layer in model.action_in.dense:
        action = _dense(layer, action, _relu)
    if model.fusion == "concatenation":
        return np.concatenate([state, action], 1), memory
    return (state + action if model.fusion == "sum" else state * action), memory


def _film_gru(model, states, actions, hidden):
    """Return the code that the action scales and shifts."""
    code = _dense(model.state_in.dense[0], states, _relu)
    memory = _gru(model.gru, code, hidden)
    code = _dense(model.state_out.dense[0], np.concatenate([code, memory], 1))
    first, last = model.action_in.dense
    scale, shift = np.split(_dense(last, _dense(first, actions, _relu)), 2, 1)
    return _relu(code * (1.0 + scale) + shift), memory


def _vanilla(model, states, actions, hidden):
    return np.concatenate([states, actions], 1), hidden


EQUATIONS = [
    (HadamardGRU, _hadamard_gru),
    *((kind, _parts) for kind in (Hadamard, SumGRU, ConcatenationGRU)),
    (FilmGRU, _film_gru),
    (Vanilla, _vanilla),
]


@pytest.mark.parametrize(("kind", "equations"), EQUATIONS)
def test_forward_model_is_its_equations(float64, continuous, rng, kind, equations):
    model = kind(continuous, 5, 1.5, "relu", 0)
    for variable in model.variables:  # values that show, biases included
        variable.assign(0.6 * rng.normal(size=variable.shape))
    states, actions = 2.0 * rng.normal(size=(7, 3)), rng.normal(size=(7, 2))
    hidden = rng.normal(size=(7, model.hidden_size))
    code, memory = equations(model, states, actions, hidden)
    for layer in model.decoder.dense[:-1]:
        code = _dense(layer, code, _relu)
    out = _dense(model.decoder.dense[-1], code)
    next_states = np.clip(states + out[:, :3], -1.5, 1.5)
    assert 0 < (np.abs(next_states) == 1.5).sum() < next_states.size  # some are clipped
    predicted = model(states, actions, hidden)
    np.testing.assert_allclose(predicted.hidden, memory, atol=1e-12)
    np.testing.assert_allclose(predicted.next_states, next_states, atol=1e-12)
    np.testing.assert_allclose(predicted.termination_logits, out[:, 3], atol=1e-12)


def test_film_gru_begins_with_little_memory_and_near_its_code(continuous, rng):
    model = FilmGRU(continuous, 64, 5.0, "silu", 0)
    states, hidden = rng.normal(size=(50, 3)), rng.normal(size=(50, 32))
    none = model(states, np.zeros((50, 2)), hidden).hidden  # of other memories
    other = model(states, np.zeros((50, 2)), -hidden).hidden
    kept = np.abs(none - other).mean() / np.abs(2.0 * hidden).mean()
    assert 0.05 < kept < 0.4
    scale = np.split(model.action_in(rng.uniform(-1, 1, (50, 2))), 2, -1)[0]
    assert 0.005 < np.abs(scale).mean() < 0.5


def test_networks_of_other_seeds_differ_and_of_the_same_seed_do_not(continuous):
    first, again, other = (HadamardGRU(continuous, 5, 5.0, "relu", seed) for seed in (0, 0, 1))
    kernels = [i for i, v in enumerate(first.variables) if v.shape.rank == 2]
    assert len(kernels) == 8
    for i in kernels:
        np.testing.assert_array_equal(first.variables[i], again.variables[i])
        assert np.abs(first.variables[i] - other.variables[i]).max() > 1e-3
    assert keras.config.floatx() == "float32"


# -- averages and steps ----------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "part"), [(0.25, 0.25), (1.0, 1.0), (None, 1.0)])
def test_soft_update_moves_a_copy_by_the_rate(rate, part):
    target, network = (MLP(3, [4], 2, "tanh", seed) for seed in (0, 1))
    before = target.get_weights()
    soft_update(target, network, rate)
    for old, new, found in zip(before, network.weights, target.weights, strict=True):
        np.testing.assert_allclose(found, (1 - part) * old + part * new.numpy(), atol=1e-6)


def test_running_average_reaches_back_over_a_share_of_the_run(rng):
    """None keeps the last ones, a share of 1 the mean of all; else by the recursion."""
    rows = rng.normal(size=(6, 3))
    last, mean, short = (RunningAverage([np.zeros(3)], share) for share in (None, 1.0, 0.5))
    by_hand = rows[0]
    for count, row in enumerate(rows):
        for average in (last, mean, short):
            average.add([row])
        by_hand = by_hand + (row - by_hand) / (0.5 * count + 1.0)
        np.testing.assert_allclose(last.weights[0], row, atol=1e-12)
        np.testing.assert_allclose(mean.weights[0], rows[: count + 1].mean(0), atol=1e-12)
        np.testing.assert_allclose(short.weights[0], by_hand, atol=1e-12)


def test_minimise_takes_a_step_and_says_how_large_its_gradient_was(float64):
    network = MLP(2, [], 1, "tanh", 0)
    before = network.get_weights()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(network(tf.constant([[3.0, 4.0]])))
    optimiser = keras.optimizers.SGD(0.1, global_clipnorm=1.0)
    gradient, weights = minimise(loss, tape, network, optimiser)
    slope = np.array([[3.0], [4.0]]) / np.sqrt(26)  # after clipping
    np.testing.assert_allclose(gradient, np.sqrt(9 + 16 + 1))
    np.testing.assert_allclose(network.weights[0], before[0] - 0.1 * slope, atol=1e-12)
    np.testing.assert_allclose(
        weights, np.sqrt(sum((w.numpy() ** 2).sum() for w in network.weights))
    )


def test_minimise_refuses_a_loss_that_is_no_scalar_or_leaves_a_variable_out():
    network, optimiser = MLP(2, [3], 1, "tanh", 0), keras.optimizers.SGD(0.1)
    with tf.GradientTape(persistent=True) as tape:
        hidden = network.dense[0](tf.ones([4, 2]))
        whole, part = network(tf.ones([4, 2])), tf.reduce_sum(hidden)
    before = network.get_weights()
    with pytest.raises(ValueError, match="scalar"):
        minimise(whole, tape, network, optimiser)
    with pytest.raises(ValueError, match=network.dense[1].kernel.path):
        minimise(part, tape, network, optimiser)
    np.testing.assert_equal(network.get_weights(), before)
