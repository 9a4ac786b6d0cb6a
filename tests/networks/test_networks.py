"""The networks: their samples, inferred noise, equations, and that all of them can learn."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from mgail_tf import config
from mgail_tf.agents.mgail import MGAIL
from mgail_tf.networks.forward_model import HadamardGRU, Vanilla
from mgail_tf.networks.policy import CategoricalPolicy, GaussianPolicy
from mgail_tf.replay import ReplayBuffer
from mgail_tf.types import Episode, Pairs, Spec

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


def _randomise(network, rng):
    """Give every variable a value that shows, biases included."""
    for variable in network.variables:
        variable.assign(0.6 * rng.normal(size=variable.shape))


# -- samples ---------------------------------------------------------------------------------


def test_categorical_sample_is_exactly_the_one_hot_argmax(rng):
    states = rng.normal(size=(500, 4)).astype(np.float32)
    noise = rng.gumbel(size=states.shape).astype(np.float32)
    drawn = _transparent().sample(states, noise).numpy()
    log_pi = states - special.logsumexp(states, -1, keepdims=True)
    assert len(set((noise + log_pi).argmax(-1))) == 4
    np.testing.assert_array_equal(drawn, np.eye(4)[(noise + log_pi).argmax(-1)])


def test_categorical_gradient_is_the_softmax_one(float64, rng):
    states, noise = tf.constant(rng.normal(size=(6, 4))), rng.gumbel(size=(6, 4))
    with tf.GradientTape() as tape:
        tape.watch(states)
        drawn = _transparent().sample(states, noise)
    soft = special.softmax((states.numpy() + noise) / TAU, -1)
    by_hand = (np.eye(4) * soft[:, None] - soft[:, :, None] * soft[:, None]) / TAU
    assert np.abs(by_hand).max() > 0.1
    np.testing.assert_allclose(tape.batch_jacobian(drawn, states), by_hand, rtol=0, atol=1e-12)


def test_categorical_gradient_agrees_with_the_relaxed_density(float64, rng):
    """Change of variables: Gumbel differences, logistic, map to the soft sample with `jacobian`."""
    states, noise = tf.constant(rng.normal(size=(6, 4))), rng.gumbel(size=(6, 4))
    policy = _transparent()
    with tf.GradientTape() as tape:
        tape.watch(states)
        drawn = policy.sample(states, noise)
    jacobian = tape.batch_jacobian(drawn, states).numpy()[:, :3, :3]
    differences = noise[:, :3] - noise[:, 3:]
    log_density = (
        np.log(6.0)  # Gamma(4)
        - differences.sum(-1)
        - 4 * np.log1p(np.exp(-differences).sum(-1))
        - np.linalg.slogdet(jacobian)[1]
    )
    soft = special.softmax((states.numpy() + noise) / TAU, -1)
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


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_frozen_distribution_has_the_same_density_and_no_gradient(request, kind, rng):
    spec = request.getfixturevalue(kind)
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


def _decoded(model, states, code):
    out = _dense(model.decoder.dense[-1], code)
    return np.clip(states + out[:, :3], -model.clip, model.clip), out[:, 3]


def test_hadamard_gru_is_its_equations(float64, continuous, rng):
    model = HadamardGRU(continuous, 5, 2.5, "relu", 0)
    _randomise(model, rng)
    states, actions = 2.5 * rng.normal(size=(7, 3)), rng.normal(size=(7, 2))
    hidden = rng.normal(size=(7, 5))
    memory = _gru(model.gru, _dense(model.state_in.dense[0], states, _relu), hidden)
    code = actions
    for layer in model.action_in.dense:
        code = _dense(layer, code, _relu)
    code = code * _dense(model.state_out.dense[0], memory, _relu)
    code = _dense(model.decoder.dense[0], code, _relu)
    next_states, end_logits = _decoded(model, states, code)
    assert 0 < (np.abs(next_states) == 2.5).sum() < next_states.size  # some are clipped
    predicted = model(states, actions, hidden)
    np.testing.assert_allclose(predicted.hidden, memory, atol=1e-12)
    np.testing.assert_allclose(predicted.next_states, next_states, atol=1e-12)
    np.testing.assert_allclose(predicted.end_logits, end_logits, atol=1e-12)


def test_vanilla_model_is_its_equations(float64, continuous, rng):
    model = Vanilla(continuous, 5, 2.5, "relu", 0)
    _randomise(model, rng)
    states, actions = 1.5 * rng.normal(size=(7, 3)), rng.normal(size=(7, 2))
    hidden = rng.normal(size=(7, 1))
    code = np.concatenate([states, actions], 1)
    for layer in model.decoder.dense[:2]:
        code = _dense(layer, code, _relu)
    next_states, end_logits = _decoded(model, states, code)
    assert 0 < (np.abs(next_states) == 2.5).sum() < next_states.size
    predicted = model(states, actions, hidden)
    np.testing.assert_array_equal(predicted.hidden, hidden)
    np.testing.assert_allclose(predicted.next_states, next_states, atol=1e-12)
    np.testing.assert_allclose(predicted.end_logits, end_logits, atol=1e-12)


# -- every variable learns -------------------------------------------------------------------


def _learner(spec, rng, **settings):
    """Return a tiny learner and a buffer of random episodes, some of which terminate."""
    settings = {
        "policy_hidden": (8,),
        "discriminator_hidden": (8,),
        "value_hidden": (8,),
        "model": "hadamard_gru",
        "model_units": 8,
        "model_recorded": 2,
        "horizon": 3,
        "burn_in": 2,
        "model_length": 3,
        "block": 1,
        "policy_batch": 8,
        "model_batch": 8,
        "discriminator_batch": 8,
        "learn_std": True,
        "horizon_value": True,
        "unroll": True,
        "jit_compile": False,
    } | settings
    states = rng.normal(size=(40, spec.state_size)).astype(np.float32)
    actions = rng.uniform(-1, 1, (40, spec.action_size)).astype(np.float32)
    if spec.discrete:
        actions = np.eye(spec.action_size, dtype=np.float32)[actions.argmax(-1)]
    learner = MGAIL(spec, config.MGAIL(**settings), Pairs(states, actions), 0)
    buffer = ReplayBuffer(1000, spec, learner.normaliser)
    for start in range(0, 35, 5):
        rows = slice(start, start + 5)
        buffer.add(
            Episode(
                states[start : start + 6], actions[rows], actions[rows], np.zeros(5), 1, 0, False
            )
        )
    return learner, buffer


@pytest.fixture
def eager():
    """Run compiled functions as plain Python: tracing these networks takes longer than running."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("continuous", {}),
        ("continuous", {"rollout": "replay", "model": "vanilla"}),
        ("discrete", {"rollout": "replay", "unroll": False}),
        ("discrete", {"unroll": False}),
    ],
)
def test_an_update_moves_every_variable_of_all_four_networks(request, eager, kind, settings, rng):
    learner, buffer = _learner(request.getfixturevalue(kind), rng, **settings)
    networks = ("model", "discriminator", "policy", "value")
    variables = {
        f"{name}/{v.path}": (v, v.numpy())
        for name in networks
        for v in getattr(learner, name).trainable_variables
    }
    assert len(variables) == sum(len(getattr(learner, n).trainable_variables) for n in networks)
    metrics = learner.update(buffer, 0.0)
    still = [name for name, (v, before) in variables.items() if np.array_equal(v, before)]
    assert not still
    assert all(np.isfinite(value) for value in metrics.values())


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_policy_loss_has_a_gradient_in_every_policy_variable(request, kind, rng):
    learner, buffer = _learner(request.getfixturevalue(kind), rng)
    batches = learner._batches(buffer, 4.0)
    starts = type(batches["starts"])(*(tf.constant(x[0]) for x in batches["starts"]))
    with tf.GradientTape() as tape:
        loss, _ = learner._policy_loss(
            starts,
            tf.constant(batches["noise"][0]),
            (learner._expert.states, learner._expert.actions),
            tf.constant(batches["dead_cost"][0]),
        )
    gradients = tape.gradient(loss, [v.value for v in learner.policy.trainable_variables])
    assert len(gradients) == 4 + (kind == "continuous")
    assert all(g is not None and np.abs(g).max() > 0 for g in gradients)


@pytest.mark.parametrize("model", ["hadamard_gru", "vanilla"])
def test_model_noise_draws_whole_errors_of_the_slow_model(continuous, eager, rng, model):
    learner, buffer = _learner(continuous, rng, model=model, model_noise=2.0, horizon=4)
    learner.model.set_weights([w + 1.0 for w in learner.model.get_weights()])  # not this one's
    errors = learner._batches(buffer, 4.0)["errors"]
    assert errors.shape == (1, 4, 8, 3)
    for row in errors.reshape(-1, 3)[:10]:
        ages = [i for i in range(35) if np.allclose(row, 2.0 * _error(learner, buffer, i))]
        assert len(ages) == 1  # of one recorded step, all components together
    assert len(np.unique(errors.reshape(-1, 3), axis=0)) > 10


def _error(learner, buffer, slot):
    """Return by how much the slow model misses a slot's next state, after two steps of burn-in."""
    standardise = learner.normaliser
    hidden = np.zeros([1, learner.model.hidden_size], np.float32)
    for i in range(slot - min(2, buffer._step[slot]), slot):
        state = standardise(buffer._states[i][None])
        hidden = learner.slow_model(state, buffer._actions[i][None], hidden).hidden
    state = standardise(buffer._states[slot][None])
    ahead = learner.slow_model(state, buffer._actions[slot][None], hidden).next_states
    return (standardise(buffer._next_states[slot][None]) - ahead)[0]


@pytest.mark.parametrize("rollout", ["imagine", "replay"])
def test_model_noise_reaches_imagined_rollouts_only(continuous, eager, rng, rollout):
    weights = []
    for noise in (0.0, 1.0):
        learner, buffer = _learner(
            continuous, np.random.default_rng(0), rollout=rollout, model_noise=noise
        )
        learner.update(buffer, 0.0)
        weights.append(np.concatenate([np.ravel(w) for w in learner.policy.get_weights()]))
    assert np.array_equal(*weights) == (rollout == "replay")


@pytest.mark.parametrize(("averaging", "share"), [(0.0, 1.0), (0.5, 1 / 1.5), (2.0, 1 / 3)])
def test_scored_policy_is_a_running_average(continuous, eager, rng, averaging, share):
    learner, buffer = _learner(continuous, rng, averaging=averaging, log_std=-0.5)
    kernels = []
    for _ in range(2):
        learner.update(buffer, 0.0)
        kernels.append(learner.actor().weights[0])
    assert np.abs(kernels[1] - kernels[0]).max() > 1e-5
    expected = kernels[0] + share * (kernels[1] - kernels[0])
    np.testing.assert_allclose(learner.final_actor().weights[0], expected, atol=1e-7)
    np.testing.assert_array_equal(learner.actor().weights[0], kernels[1])  # put back


def test_networks_of_other_seeds_differ_and_of_the_same_seed_do_not(continuous):
    first, again, other = (HadamardGRU(continuous, 5, 5.0, "relu", seed) for seed in (0, 0, 1))
    kernels = [i for i, v in enumerate(first.variables) if v.shape.rank == 2]
    assert len(kernels) == 8
    for i in kernels:
        np.testing.assert_array_equal(first.variables[i], again.variables[i])
        assert np.abs(first.variables[i] - other.variables[i]).max() > 1e-3
    assert keras.config.floatx() == "float32"
