"""Loops in a graph: the same steps either way, mean metrics, the first number not finite."""

import numpy as np
import pytest
import tensorflow as tf

from mgail_tf.agents.mgail.scan import read_metrics, repeat, scan, slice_of
from mgail_tf.errors import Diverged

NAMES = ["discriminator_loss", "policy_cost"]


@pytest.mark.parametrize("unroll", [True, False])
def test_scan_is_a_loop_over_the_rows(rng, unroll):
    rows = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))

    def step(carry, given):
        total, product = carry
        return total + given[0], product * given[1]

    found = scan(step, (tf.zeros(3, tf.float64), tf.ones(3, tf.float64)), rows, unroll)
    np.testing.assert_allclose(found[0], np.cumsum(rows[0], 0), atol=1e-12)
    np.testing.assert_allclose(found[1], np.cumprod(rows[1], 0), atol=1e-12)


def test_slice_of_a_structure_leaves_none_alone(rng):
    rows = rng.normal(size=(4, 2))
    np.testing.assert_equal(slice_of({"a": rows, "b": [None]}, 2), {"a": rows[2], "b": [None]})


def _run(losses, costs):
    rows = tf.constant(np.array([losses, costs], np.float32).T)

    @tf.function(jit_compile=True)
    def run(rows):
        def update(row):
            return dict(zip(NAMES, tf.unstack(row), strict=True))

        return repeat(update, rows, len(losses), NAMES)

    return read_metrics(run(rows), NAMES, len(losses), before=100)


def test_metrics_are_means_over_the_updates():
    assert _run([1, 2, 6], [0, -1, 1]) == {"discriminator_loss": 3.0, "policy_cost": 0.0}


@pytest.mark.parametrize(
    ("losses", "costs", "metric", "iteration"),
    [
        ([1, 2, 3], [1, np.inf, 1], "policy_cost", 102),
        ([1, 2, np.nan], [1, np.inf, 1], "policy_cost", 102),
        ([1, np.nan, 3], [1, np.inf, 1], "discriminator_loss", 102),
        ([np.nan, 2, 3], [1, np.inf, 1], "discriminator_loss", 101),
    ],
)
def test_the_first_number_that_is_not_finite_is_named(losses, costs, metric, iteration):
    with pytest.raises(Diverged, match=f"^{metric.split('_')[0]}: {metric} ") as raised:
        _run(losses, costs)
    assert (raised.value.metric, raised.value.iteration) == (metric, iteration)
    assert not np.isfinite(raised.value.value)
