"""One step of an optimiser on one network's loss."""

from typing import Any

import tensorflow as tf


def minimise(loss: Any, tape: tf.GradientTape, network: Any, optimiser: Any) -> tuple[Any, Any]:
    """Take a step down the gradient of a loss.

    Args:
        loss: a scalar that `tape` has recorded.
        network: a Keras model; all its trainable variables must contribute to the loss.

    Returns:
        The norm of the gradient before it is clipped, and the norm of the new weights.

    Raises:
        ValueError: the loss is no scalar, or a variable has no gradient.
    """
    if loss.shape.rank != 0:
        raise ValueError(f"loss: found shape {loss.shape}, expected a scalar")
    variables = network.trainable_variables
    gradients = tape.gradient(loss, [v.value for v in variables])
    if missing := [v.path for v, g in zip(variables, gradients, strict=True) if g is None]:
        raise ValueError(f"loss: {', '.join(missing)} do not contribute to it")
    optimiser.apply(gradients, variables)
    weights = [v.value for v in variables]
    return tf.linalg.global_norm(gradients), tf.linalg.global_norm(weights)
