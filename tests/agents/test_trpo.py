"""The natural step against dense linear algebra, returns by brute force, and a run of TRPO."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from mgail_tf.agents.trpo.agent import TRPO
from mgail_tf.agents.trpo.returns import discounted_sums, gae
from mgail_tf.agents.trpo.trust_region import (
    TrustRegion,
    assign_flat,
    conjugate_gradient,
    fisher_vector_product,
    flatten,
    line_search,
)
from mgail_tf.config.algorithms import TRPOConfig
from mgail_tf.networks.policy import CategoricalPolicy, GaussianPolicy
from tests import toys

DAMPING = 0.1


# -- flat vectors and the solver -------------------------------------------------------------


def test_flat_parameters_come_back_where_they_were(float64, continuous, rng):
    policy = _policy(continuous)
    variables = policy.trainable_variables
    flat = flatten(variables).numpy()
    np.testing.assert_array_equal(flat, np.concatenate([v.numpy().ravel() for v in variables]))
    values = rng.normal(size=flat.shape)
    assign_flat(variables, tf.constant(values))
    np.testing.assert_array_equal(flatten(variables), values)
    kernel = policy.mean.dense[0].kernel  # comes after the two numbers of log_std
    np.testing.assert_array_equal(kernel, values[2:14].reshape(3, 4))


def test_conjugate_gradient_solves_the_dense_system(rng):
    root = rng.normal(size=(12, 12))
    matrix, b = root @ root.T + np.eye(12), rng.normal(size=12)
    found = conjugate_gradient(lambda v: tf.linalg.matvec(matrix, v), tf.constant(b), 40)
    np.testing.assert_allclose(found, np.linalg.solve(matrix, b), atol=1e-6)


def test_conjugate_gradient_needs_as_many_iterations_as_there_are_eigenvalues(rng):
    eigenvalues, b = np.repeat([1.0, 4.0, 9.0], 4), rng.normal(size=12)
    short, enough = (conjugate_gradient(lambda v: eigenvalues * v, b, count) for count in (2, 3))
    np.testing.assert_allclose(enough, b / eigenvalues, atol=1e-12)
    assert np.abs(short - b / eigenvalues).max() > 1e-3


# -- Fisher matrix ---------------------------------------------------------------------------


def _policy(spec):
    if spec.discrete:
        policy = CategoricalPolicy(spec, [4], "tanh", 0, 1.0)
        last = policy.logits.dense[-1]
    else:
        policy = GaussianPolicy(spec, [4], "tanh", 0, -0.5, learn_std=True)
        policy.log_std.assign([-0.5, 0.2])
        last = policy.mean.dense[-1]
    last.kernel.assign(50 * last.kernel)
    return policy


def _dense_fisher(policy, states):
    """Return E[J^T M J], M the Fisher matrix of the head; and 2 I for the log of the std."""
    variables = [v.value for v in policy.trainable_variables]
    with tf.GradientTape() as tape:
        head = policy(states)
    parts = tape.jacobian(head, variables, unconnected_gradients="zero")
    count, size = head.shape
    jacobian = np.concatenate([np.reshape(p, (count, size, -1)) for p in parts], -1)
    if policy.discrete:
        p = special.softmax(head.numpy(), -1)
        middle = p[:, :, None] * np.eye(size) - p[:, :, None] * p[:, None, :]
    else:
        middle = np.tile(np.diag(np.exp(-2 * policy.log_std.numpy())), (count, 1, 1))
    fisher = np.einsum("bip,bij,bjq->pq", jacobian, middle, jacobian) / count
    if not policy.discrete:
        sizes = [int(tf.size(v)) for v in variables]
        at = next(i for i, v in enumerate(policy.trainable_variables) if v is policy.log_std)
        for i in range(sum(sizes[:at]), sum(sizes[: at + 1])):
            fisher[i, i] += 2.0
    return fisher


def test_fisher_vector_product_is_the_dense_matrix(float64, spec, rng):
    policy, states = _policy(spec), tf.constant(rng.normal(size=(7, spec.state_size)))
    variables = [v.value for v in policy.trainable_variables]
    old = policy.distribution(states, frozen=True)
    fisher = _dense_fisher(policy, states)
    vectors = rng.normal(size=(3, len(fisher)))

    def mean_kl():
        return tf.reduce_mean(old.kl_divergence(policy.distribution(states)))

    for vector in vectors:
        product = fisher_vector_product(mean_kl, variables, tf.constant(vector), DAMPING)
        np.testing.assert_allclose(product, fisher @ vector + DAMPING * vector, atol=1e-10)


# -- line search -----------------------------------------------------------------------------


def _search(evaluations, rng, max_kl=0.01):
    """Return (accepted fraction, variables before, after, step), with given evaluations."""
    variables = [tf.Variable(rng.normal(size=s), dtype=tf.float32) for s in ((3, 4), (5,))]
    before, step = flatten(variables).numpy(), rng.normal(size=17).astype(np.float32)
    answers = iter(evaluations)
    accepted = line_search(
        lambda: tuple(tf.constant(x) for x in next(answers)),
        variables,
        tf.constant(step),
        tf.constant(1.0),
        tf.constant(max_kl),
        len(evaluations),
    )
    return float(accepted), before, flatten(variables).numpy(), step


@pytest.mark.parametrize(
    "refused",
    [(-1.0, 0.0), (0.0, 0.0), (1.0, 0.011), (np.nan, 0.0), (1.0, np.nan)],
    ids=["worse", "no better", "outside the bound", "NaN improvement", "NaN KL"],
)
def test_failed_line_search_restores_the_parameters_exactly(refused, rng):
    accepted, before, after, _ = _search([refused] * 10, rng)
    assert accepted == 0
    assert after.tobytes() == before.tobytes()


def test_line_search_takes_the_first_fraction_that_improves_enough(rng):
    """A tenth of what is expected of the fraction is enough: 0.1, 0.05, 0.025."""
    evaluations = [(0.09, 0.0), (0.06, 0.011), (0.026, 0.009), (1.0, 0.0)]
    accepted, before, after, step = _search(evaluations, rng)
    assert accepted == 0.25
    np.testing.assert_allclose(after, before + 0.25 * step, rtol=1e-6)


# -- the whole step --------------------------------------------------------------------------


def _by_hand(policy, states, samples):
    """Return log-probabilities [N], and the head, with SciPy's densities."""
    head = policy(states).numpy()
    if policy.discrete:
        log_pi = special.log_softmax(head, -1)
        return (log_pi * samples).sum(-1), head
    return stats.norm.logpdf(samples, head, np.exp(policy.log_std.numpy())).sum(-1), head


def _kl(discrete, old, new):
    """Return the mean KL divergence of (head, log std) pairs, in closed form."""
    (head, log_std), (head2, log_std2) = old, new
    if discrete:
        log_p, log_q = special.log_softmax(head, -1), special.log_softmax(head2, -1)
        return (np.exp(log_p) * (log_p - log_q)).sum(-1).mean()
    ratio = (np.exp(2 * log_std) + (head - head2) ** 2) / (2 * np.exp(2 * log_std2))
    return (log_std2 - log_std + ratio - 0.5).sum(-1).mean()


def test_step_is_the_natural_one_improves_and_keeps_within_the_bound(float64, spec, rng):
    policy, states = _policy(spec), rng.normal(size=(64, spec.state_size))
    samples = policy.distribution(states).sample(seed=1).numpy()
    advantages = rng.normal(size=64) + samples[:, 0]  # more of the first action is better
    max_kl = np.float64(1e-3)
    variables = [v.value for v in policy.trainable_variables]
    before, (old_log_prob, old_head) = flatten(variables), _by_hand(policy, states, samples)
    old_log_std = 0.0 if spec.discrete else policy.log_std.numpy()
    fisher = _dense_fisher(policy, states)
    with tf.GradientTape() as tape:
        log_prob = policy.distribution(states).log_prob(samples)
        surrogate = tf.reduce_mean(log_prob * advantages)
    gradient = flatten(tape.gradient(surrogate, variables)).numpy()
    damped = fisher + DAMPING * np.eye(len(fisher))
    direction = np.linalg.solve(damped, gradient)
    step = np.sqrt(2 * max_kl / (direction @ damped @ direction)) * direction

    region = TrustRegion(policy, 60, DAMPING, 10)
    metrics = region.step(
        tf.constant(states), tf.constant(samples), tf.constant(advantages), tf.constant(max_kl)
    )

    fraction = float(metrics["step_fraction"])
    moved = flatten(variables) - before
    assert fraction > 0
    np.testing.assert_allclose(moved, fraction * step, atol=1e-4 * np.abs(step).max())
    new_log_prob, new_head = _by_hand(policy, states, samples)
    new_log_std = 0.0 if spec.discrete else policy.log_std.numpy()
    kl = _kl(spec.discrete, (old_head, old_log_std), (new_head, new_log_std))
    assert 0 < kl <= max_kl
    np.testing.assert_allclose(metrics["kl"], kl, rtol=1e-6)
    improvement = np.mean(np.exp(new_log_prob - old_log_prob) * advantages) - advantages.mean()
    assert improvement > 0.1 * fraction * (gradient @ step)
    np.testing.assert_allclose(metrics["improvement"], improvement, rtol=1e-6)
    np.testing.assert_allclose(metrics["gradient_norm"], np.linalg.norm(gradient), rtol=1e-6)
    entropy = policy.distribution(states).entropy().numpy().mean()
    np.testing.assert_allclose(metrics["entropy"], entropy, rtol=1e-6)


# -- returns ---------------------------------------------------------------------------------


def test_discounted_sums_by_double_loop(rng):
    values = rng.normal(size=30)
    by_loop = [sum(0.9 ** (k - t) * values[k] for k in range(t, 30)) for t in range(30)]
    np.testing.assert_allclose(discounted_sums(values, 0.9), by_loop, atol=1e-12)


@pytest.mark.parametrize("lam", [0.0, 0.95, 1.0])
def test_gae_by_double_loop(lam, rng):
    rewards, values, gamma = rng.normal(size=20), rng.normal(size=21), 0.9
    by_loop = [
        sum(
            (gamma * lam) ** (k - t) * (rewards[k] + gamma * values[k + 1] - values[k])
            for k in range(t, 20)
        )
        for t in range(20)
    ]
    np.testing.assert_allclose(gae(rewards, values, gamma, lam), by_loop, atol=1e-12)


def test_gae_with_lambda_1_is_the_monte_carlo_return_less_the_value(rng):
    rewards, values = rng.normal(size=20), rng.normal(size=21)
    returns = [
        sum(0.9 ** (k - t) * rewards[k] for k in range(t, 20)) + 0.9 ** (20 - t) * values[20]
        for t in range(20)
    ]
    np.testing.assert_allclose(gae(rewards, values, 0.9, 1.0), returns - values[:20], atol=1e-12)


# -- the agent -------------------------------------------------------------------------------

TINY = TRPOConfig(batch_steps=(1000,), hidden=(16,), value_epochs=5)


@pytest.mark.slow
def test_trpo_improves_on_the_linear_task():
    agent = TRPO(toys.linear(), TINY)
    steps, rows = zip(*agent.iterate(12_000), strict=True)
    assert steps == tuple(range(2000, 13_000, 1000))  # the first batch sets the normaliser
    returns = [metrics["return"] for metrics in rows]
    assert np.mean(returns[-2:]) > 0.5 * np.mean(returns[:2])  # returns are negative
    assert all(metrics["kl"] <= TINY.max_kl * 1.0001 for metrics in rows)


def test_a_terminated_episode_is_worth_nothing_after_its_end_and_a_cut_one_is(rng):
    """With lambda = 1 the value's targets are the discounted rewards, and then the value or 0."""
    agent = TRPO(toys.linear(), TRPOConfig(hidden=(4,), gamma=0.9, gae_lambda=1.0, compile="graph"))
    (part,) = agent._collectors.collect(agent.policy, 7)
    last = float(agent.value(agent.policy.normaliser(part.states[-1:]))[0])
    assert abs(last) > 1e-3
    for terminated, bootstrap in ((True, 0.0), (False, last)):
        episode = part._replace(terminated=terminated)
        targets = agent._advantages([episode], scale=2.0)[3]
        sums = [
            sum(0.9 ** (k - t) * part.rewards[k] / 2.0 for k in range(t, 7))
            + 0.9 ** (7 - t) * bootstrap
            for t in range(7)
        ]
        np.testing.assert_allclose(targets, sums, rtol=1e-4)


def test_batches_grow_and_the_deviation_is_capped_as_the_run_goes_on(eager):
    config = TRPOConfig(
        batch_steps=(100, 200),
        initial_log_std=-0.5,
        final_log_std=-2.5,
        hidden=(4,),
        cg_iterations=2,
        value_epochs=1,
    )
    agent = TRPO(toys.linear(), config)
    taken = [100]  # they set the normaliser
    for episodes, left in agent.batches(900):
        assert left == pytest.approx(1.0 - sum(taken) / 900)
        taken.append(sum(len(e.actions) for e in episodes))
        agent.update(episodes, left)
        assert agent.policy.log_std.max() <= -2.5 + 2.0 * left + 1e-6
    assert taken == [100, 100, 100, 100, 100, 200, 200]
