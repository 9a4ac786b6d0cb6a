"""Both sides of Eq. 3, and what its optimum is (Eq. 6-9)."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from mgail_tf.networks.discriminator import Discriminator, discriminator_loss, policy_cost
from mgail_tf.types import Spec, StateActions


class _Pair:
    """State s ~ N(m, v^2), action a | s ~ N(k s + b, w^2), with the derivatives of the logs."""

    def __init__(self, m, v, k, b, w):
        self.m, self.v, self.k, self.b, self.w = m, v, k, b, w

    def sample(self, rng, count):
        s = rng.normal(self.m, self.v, count)
        return s, rng.normal(self.k * s + self.b, self.w)

    def p_s(self, s):
        return stats.norm.pdf(s, self.m, self.v)

    def p_a(self, s, a):
        return stats.norm.pdf(a, self.k * s + self.b, self.w)

    def d_log_p_s(self, s):
        return -(s - self.m) / self.v**2

    def d_log_p_a(self, s, a):
        """Return the derivatives of log p(a | s) by s and by a."""
        d_a = -(a - self.k * s - self.b) / self.w**2
        return -self.k * d_a, d_a

    def log_p(self, s, a):
        """Return log p(s, a) as a tensor, up to a constant."""
        squares = ((s - self.m) / self.v) ** 2 + ((a - self.k * s - self.b) / self.w) ** 2
        return -0.5 * squares - np.log(self.v * self.w)


AGENT = _Pair(0.4, 0.8, 0.5, 0.3, 0.6)
EXPERT = _Pair(-0.3, 1.0, -0.2, -0.1, 0.7)


def _equation_9(s, a):
    """Return D (Eq. 8) and its derivatives by s and a (Eq. 9), from phi, psi and theirs."""
    phi, psi = EXPERT.p_a(s, a) / AGENT.p_a(s, a), EXPERT.p_s(s) / AGENT.p_s(s)
    expert_s, expert_a = EXPERT.d_log_p_a(s, a)
    agent_s, agent_a = AGENT.d_log_p_a(s, a)
    phi_s, phi_a = phi * (expert_s - agent_s), phi * (expert_a - agent_a)
    psi_s = psi * (EXPERT.d_log_p_s(s) - AGENT.d_log_p_s(s))
    below = (1 + phi * psi) ** 2
    return 1 / (1 + phi * psi), -(phi_s * psi + phi * psi_s) / below, -phi_a * psi / below


def _jacobian(logit, s, a):
    """Return D and its derivatives by s and a, D by the cost of Eq. 3."""
    s, a = tf.constant(s), tf.constant(a)
    with tf.GradientTape() as tape:
        tape.watch([s, a])
        d = tf.exp(policy_cost(logit(s, a), "log_d"))
    return d, *tape.gradient(d, [s, a])


@pytest.fixture(scope="module")
def trained():
    """Return a small discriminator trained on samples of AGENT and EXPERT."""
    one = np.ones(1, np.float32)
    network = Discriminator(Spec("Some-v0", 1, 1, False, -one, one, 0), [24, 24], "tanh", 0)
    optimiser = keras.optimizers.Adam(1e-2)
    rng, count, steps = np.random.default_rng(0), 2048, 700
    agent, expert = (
        [
            tf.constant(x.reshape(steps, count, 1), tf.float32)
            for x in pair.sample(rng, steps * count)
        ]
        for pair in (AGENT, EXPERT)
    )

    @tf.function
    def train():
        for k in tf.range(steps):
            with tf.GradientTape() as tape:
                pairs = [StateActions(*(x[k] for x in pair)) for pair in (agent, expert)]
                loss, _ = discriminator_loss(network, *pairs, tf.zeros([count, 1]), 0.0, 1.0)
            variables = network.trainable_variables
            optimiser.apply(tape.gradient(loss, variables), variables)

    optimiser.build(network.trainable_variables)
    train()
    optimiser.learning_rate = 1e-3
    train()
    return network


def _bulk():
    """Return a grid of pairs where both densities are above 3 % of their maximum."""
    s, a = (x.ravel() for x in np.meshgrid(np.linspace(-2, 2, 41), np.linspace(-2, 2, 41)))
    dense = [p.p_s(s) * p.p_a(s, a) for p in (AGENT, EXPERT)]
    keep = np.all([d > 0.03 * d.max() for d in dense], 0)
    assert keep.sum() > 200
    return s[keep], a[keep]


def test_trained_logit_is_the_log_ratio_of_the_densities(trained):
    s, a = _bulk()
    logit = trained(s[:, None].astype(np.float32), a[:, None].astype(np.float32)).numpy()
    optimum = np.log(AGENT.p_s(s) * AGENT.p_a(s, a)) - np.log(EXPERT.p_s(s) * EXPERT.p_a(s, a))
    assert np.ptp(optimum) > 4
    assert np.abs(logit - optimum).max() < 0.25
    assert np.abs(logit - optimum).mean() < 0.08


def test_jacobian_of_the_trained_discriminator_is_equation_9(trained):
    s, a = _bulk()
    found = _jacobian(
        lambda s, a: trained(s[:, None], a[:, None]), s.astype(np.float32), a.astype(np.float32)
    )
    for learned, exact in zip(found[1:], _equation_9(s, a)[1:], strict=True):
        assert np.abs(exact).max() > 0.3
        assert np.abs(learned - exact).max() < 0.15
        assert np.corrcoef(learned, exact)[0, 1] > 0.98


def test_jacobian_at_the_optimal_logit_is_equation_9(rng):
    s, a = AGENT.sample(rng, 300)
    found = _jacobian(lambda s, a: AGENT.log_p(s, a) - EXPERT.log_p(s, a), s, a)
    for by_tape, exact in zip(found, _equation_9(s, a), strict=True):
        np.testing.assert_allclose(by_tape, exact, rtol=0, atol=1e-10)


# -- the two sides of Eq. 3 ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("log_d", [np.log(0.5), np.log(0.75), np.log(0.2)]),
        ("neg_log_expert", [np.log(2.0), np.log(4.0), np.log(1.25)]),
    ],
)
def test_policy_cost_by_hand(kind, expected):
    """D is 1/2, 3/4 and 1/5."""
    logits = tf.constant([0.0, np.log(3.0), -np.log(4.0)], tf.float64)
    np.testing.assert_allclose(policy_cost(logits, kind), expected, atol=1e-15)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("log_d", [-1000.0, 0.0]), ("neg_log_expert", [0.0, 1000.0])],
)
def test_policy_cost_of_a_certain_discriminator_is_finite(kind, expected):
    np.testing.assert_array_equal(policy_cost(tf.constant([-1000.0, 1000.0]), kind), expected)


def test_unknown_policy_cost_is_refused():
    with pytest.raises(ValueError, match="entropy"):
        policy_cost(tf.zeros(1), "entropy")


def _weighted(w):
    """Return a linear discriminator of two states and one action."""
    return lambda s, a: tf.tensordot(tf.concat([s, a], -1), w, 1)


def _two_kinds(rng, count=6):
    shapes = ((count, 2), (count, 1))
    return [StateActions(*(tf.constant(rng.normal(size=x)) for x in shapes)) for _ in range(2)]


def test_discriminator_loss_is_the_cross_entropy_with_agent_as_one(rng):
    w = np.array([0.5, -1.0, 2.0])
    agent, expert = _two_kinds(rng)
    mix = tf.zeros([6, 1], tf.float64)
    loss, metrics = discriminator_loss(_weighted(w), agent, expert, mix, 0.0, 1.0)
    d_agent, d_expert = (special.expit(np.concatenate(x, 1) @ w) for x in (agent, expert))
    np.testing.assert_allclose(loss, -np.log(d_agent).mean() - np.log(1 - d_expert).mean())
    right = (d_agent > 0.5).sum() + (d_expert < 0.5).sum()
    assert 0 < right < 12
    np.testing.assert_allclose(metrics["discriminator_accuracy"], right / 12)


def _penalty(logit, agent, expert, mix, weight, slope):
    """Return what the penalty adds to the loss."""
    losses = [discriminator_loss(logit, agent, expert, mix, w, slope)[0] for w in (weight, 0.0)]
    return losses[0] - losses[1]


@pytest.mark.parametrize(("slope", "expected"), [(0.0, 98.0), (1.0, 72.0), (6.5, 0.5), (7.5, 0.0)])
def test_gradient_penalty_of_a_linear_discriminator_by_hand(rng, slope, expected):
    """The slope is |(2, 3, 6)| = 7 everywhere; what exceeds the free slope is squared, times 2."""
    w = tf.constant([2.0, 3.0, 6.0], tf.float64)
    penalty = _penalty(_weighted(w), *_two_kinds(rng), rng.random((6, 1)), 2.0, slope)
    np.testing.assert_allclose(penalty, expected, atol=1e-10)


def test_gradient_penalty_is_taken_between_the_two_kinds(rng):
    """The logit |x|^2 / 2 has the slope |x|."""
    agent, expert = _two_kinds(rng)
    mix = rng.random((6, 1))

    def bowl(s, a):
        return tf.reduce_sum(tf.concat([s, a], -1) ** 2, -1) / 2

    points = mix * np.concatenate(agent, 1) + (1 - mix) * np.concatenate(expert, 1)
    excess = np.maximum(np.linalg.norm(points, axis=1) - 0.8, 0)
    assert 0 < (excess == 0).sum() < 6
    penalty = _penalty(bowl, agent, expert, mix, 1.0, 0.8)
    np.testing.assert_allclose(penalty, (excess**2).mean(), atol=1e-10)


def test_gradient_penalty_reaches_the_weights(rng):
    w = tf.constant([2.0, 3.0, 6.0], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(w)
        penalty = _penalty(_weighted(w), *_two_kinds(rng), np.full((6, 1), 0.5), 2.0, 1.0)
    by_hand = 2 * 2 * (7 - 1) * np.array([2.0, 3.0, 6.0]) / 7
    np.testing.assert_allclose(tape.gradient(penalty, w), by_hand, atol=1e-10)
