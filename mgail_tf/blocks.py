"""Loops in one graph: steps in time; iterations, their mean metrics, the first not finite."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from mgail_tf.types import Diverged


def scan(step: Callable[[Any, Any], Any], carry: Any, inputs: Any, unroll: bool) -> Any:
    """Return every carry = step(carry, row) over the rows of `inputs`, stacked.

    Args:
        unroll: one copy of the graph a row (faster up to about 10) or a loop (compiles faster).
    """
    if not unroll:
        return tf.scan(step, inputs, initializer=carry)
    carries = []
    for t in range(tf.nest.flatten(inputs)[0].shape[0]):
        carry = step(carry, tf.nest.map_structure(lambda x, t=t: x[t], inputs))
        carries.append(carry)
    return tf.nest.map_structure(lambda *rows: tf.stack(rows), *carries)


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
