"""A Gaussian and a categorical policy whose every weight shows, and what they should do."""

import numpy as np
from scipy import special, stats

from mgail_tf.data.normaliser import Normaliser
from mgail_tf.networks.policy import CategoricalPolicy, GaussianPolicy, to_numpy
from mgail_tf.policies.numpy_policy import NumpyPolicy
from mgail_tf.types import Spec

HIGH = np.array([2.0, 5.0], np.float32)
LOW = np.array([-2.0, 1.0], np.float32)
SPECS = {
    "gaussian": Spec("Some-v0", 3, 2, False, LOW, HIGH, 100),
    "categorical": Spec("Other-v0", 4, 3, True, -np.ones(3), np.ones(3), 100),
}
LOG_STD = (-2.0, -1.5)
MANY = 20_000
_SCALE = {1: 0.2, 2: 0.5}  # of random biases, of random kernels


def network_of(kind, spec=None):
    """Return a Keras policy with weights of a size that shows, in every layer."""
    spec, rng = spec or SPECS[kind], np.random.default_rng(2)
    if spec.discrete:
        network = CategoricalPolicy(spec, [7, 6], "tanh", 0, 1.0)
        trunk = network.logits
    else:
        network = GaussianPolicy(spec, [7, 6], "relu", 0, -1.0, learn_std=True)
        network.log_std.assign(LOG_STD)
        trunk = network.mean
    trunk.set_weights([_SCALE[w.ndim] * rng.normal(size=w.shape) for w in trunk.get_weights()])
    return network


def normaliser_of(kind) -> Normaliser:
    """Return one whose mean, deviations and bound all show."""
    size = SPECS[kind].state_size
    return Normaliser(np.linspace(-1, 1, size), np.geomspace(0.01, 3, size), 4.0)


def policy_of(kind) -> NumpyPolicy:
    """Return the policy to compare with `network_of` and `normaliser_of`."""
    return to_numpy(network_of(kind), normaliser_of(kind), SPECS[kind])


def head_of(network, states, kind):
    """Return the Keras policy's mean or logits [B, A] for states in environment units."""
    normaliser = normaliser_of(kind)
    scaled = np.clip((states.astype(np.float64) - normaliser.mean) / normaliser.std, -4, 4)
    return network(scaled.astype(np.float32)).numpy()


def applied(head, spec):
    """Return what the environment does with a head's mode."""
    if spec.discrete:
        return head.argmax(-1)
    return np.clip((HIGH + LOW) / 2 + (HIGH - LOW) / 2 * head, LOW, HIGH)


def some_states(kind, count=200):
    rng, spec = np.random.default_rng(1), SPECS[kind]
    return (3 * rng.normal(size=(count, spec.state_size))).astype(np.float32)


def extreme_states(kind):
    """Return finite states as large and as small as float32 has them."""
    most = np.finfo(np.float32).max
    rows = np.array([most, -most, 1e30, -1e30, 1e-40, 0.0], np.float32)
    return np.stack([np.roll(rows, i) for i in range(SPECS[kind].state_size)], 1)


def ten_thousand_states(kind):
    """Return states of every size that float32 has, near ones and extreme ones."""
    rng, size = np.random.default_rng(4), SPECS[kind].state_size
    near = normaliser_of(kind).mean + 2 * normaliser_of(kind).std * rng.normal(size=(5000, size))
    far = rng.choice([-1, 1], (5000, size)) * 10.0 ** rng.uniform(-44, 38, (5000, size))
    return np.concatenate([near, far]).astype(np.float32)


def central_state(kind):
    """Return a state [S] where no action is clipped, or all are possible but not alike."""
    normaliser, spec = normaliser_of(kind), SPECS[kind]
    scaled = np.random.default_rng(5).normal(size=(500, spec.state_size))
    states = (normaliser.mean + normaliser.std * scaled).astype(np.float32)
    head = head_of(network_of(kind), states, kind)
    if spec.discrete:
        possible = special.softmax(head, -1).min(-1) > 0.05
        return states[np.where(possible, np.ptp(head, axis=-1), 0).argmax()]
    return states[np.abs(head).max(-1).argmin()]


def check_distribution(drawn, head, kind):
    """Compare many actions in environment units at one state with the policy's law."""
    if SPECS[kind].discrete:
        p = special.softmax(head)
        frequency = np.bincount(drawn, minlength=3) / len(drawn)
        assert np.abs(frequency - p).max() < 4 * np.sqrt(0.25 / len(drawn))
        assert p.min() > 0.05 and p.max() > 0.5
        return
    mean = applied(head, SPECS[kind])
    std = np.exp(LOG_STD) * (HIGH - LOW) / 2
    assert (mean - 4 * std > LOW).all() and (mean + 4 * std < HIGH).all()  # so nothing is clipped
    for component, m, s in zip(drawn.T, mean, std, strict=True):
        assert stats.kstest((component - m) / s, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 4 / np.sqrt(len(drawn))
