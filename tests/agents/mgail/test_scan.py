"""A block of iterations says what it measured, and the first number that was not finite."""

import numpy as np
import pytest
import tensorflow as tf

from mgail_tf import blocks
from mgail_tf.types import Diverged

NAMES = ["discriminator_loss", "policy_cost"]


def _block(losses, costs):
    rows = tf.constant(np.array([losses, costs], np.float32).T)

    @tf.function(jit_compile=True)
    def run(rows):
        return blocks.run(lambda row: dict(zip(NAMES, tf.unstack(row), strict=True)), rows, NAMES)

    return blocks.read(run(rows), NAMES, len(losses), before=100)


def test_metrics_are_means_over_the_block():
    assert _block([1, 2, 6], [0, -1, 1]) == {"discriminator_loss": 3.0, "policy_cost": 0.0}


@pytest.mark.parametrize(
    ("losses", "costs", "said"),
    [
        ([1, 2, 3], [1, np.inf, 1], "policy: policy_cost is inf in iteration 102"),
        ([1, 2, np.nan], [1, np.inf, 1], "policy: policy_cost is inf in iteration 102"),
        ([1, np.nan, 3], [1, np.inf, 1], "discriminator: discriminator_loss is nan in iteration"),
        ([np.nan, 2, 3], [1, np.inf, 1], "discriminator: .* is nan in iteration 101"),
    ],
)
def test_the_first_number_that_is_not_finite_is_named(losses, costs, said):
    with pytest.raises(Diverged, match=said):
        _block(losses, costs)
