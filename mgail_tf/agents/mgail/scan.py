"""Loops inside one graph: steps in time, and updates with their mean metrics."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from mgail_tf.errors import Diverged


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


def slice_of(batches: Any, k: Any) -> Any:
    """Return entry k of every array of a structure; None stays None."""
    return tf.nest.map_structure(lambda x: None if x is None else x[k], batches)


def repeat(
    update: Callable[[Any], dict[str, Any]], batches: Any, count: int, names: Sequence[str]
) -> tuple[Any, Any]:
    """Run `update` on every slice of `batches`, in the graph.

    Args:
        batches: arrays with a leading axis of `count`.
        names: the metrics that an update returns, in the order in which they are computed.

    Returns:
        Mean of each metric [M]; number of leading updates in which it was finite [M].
    """
    total = tf.zeros([len(names)])
    finite, good = tf.ones([len(names)], tf.bool), tf.zeros([len(names)], tf.int32)
    for k in tf.range(count):
        metrics = update(slice_of(batches, k))
        row = tf.stack([metrics[name] for name in names])
        finite = tf.logical_and(finite, tf.math.is_finite(row))
        total, good = total + row, good + tf.cast(finite, tf.int32)
    return total / count, good


def read_metrics(
    result: tuple[Any, Any], names: Sequence[str], count: int, before: int
) -> dict[str, float]:
    """Return the mean metrics of `count` updates that `repeat` ran.

    Args:
        before: updates of the run before these.

    Raises:
        Diverged: one was not finite; names the first that was not, and its update.
    """
    means, good = (x.numpy() for x in result)
    if (first := int(good.min())) < count:
        bad = int(good.argmin())
        raise Diverged(names[bad], float(means[bad]), before + first + 1)
    return dict(zip(names, means.tolist(), strict=True))
