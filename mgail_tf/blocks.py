"""Many iterations in one graph: their mean metrics, and the first number that is not finite."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from mgail_tf.types import Diverged


def run(iteration: Callable[[Any], dict[str, Any]], batches: Any, names: Sequence[str]) -> Any:
    """Run `iteration` on every slice of `batches`, along their leading axis.

    Args:
        names: the metrics that an iteration returns, in the order in which they are computed.

    Returns:
        (means [M], good [M]): of each metric its mean, and in how many iterations it was finite
        before it was not.
    """
    count = tf.nest.flatten(batches)[0].shape[0]
    total = tf.zeros([len(names)])
    finite, good = tf.ones([len(names)], tf.bool), tf.zeros([len(names)], tf.int32)
    for k in tf.range(count):
        metrics = iteration(tf.nest.map_structure(lambda x, k=k: x[k], batches))
        row = tf.stack([metrics[name] for name in names])
        finite = tf.logical_and(finite, tf.math.is_finite(row))
        total, good = total + row, good + tf.cast(finite, tf.int32)
    return total / count, good


def read(result: Any, names: Sequence[str], count: int, before: int) -> dict[str, float]:
    """Return the mean metrics of a block of `count` iterations.

    Args:
        before: iterations in the blocks before it.

    Raises:
        Diverged: one was not finite; names the first that was not, and its iteration.
    """
    means, good = (x.numpy() for x in result)
    if (first := int(good.min())) < count:
        bad = int(good.argmin())
        raise Diverged(names[bad], float(means[bad]), before + first + 1)
    return dict(zip(names, means.tolist(), strict=True))
