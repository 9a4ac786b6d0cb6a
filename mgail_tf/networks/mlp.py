"""A stack of dense layers: the trunk of every network here."""

from collections.abc import Sequence
from typing import Any

import keras


class MLP(keras.Model):
    """Dense layers [..., input_size] -> [..., output_size], of any leading rank."""

    def __init__(
        self,
        input_size: int,
        hidden: Sequence[int],
        output_size: int,
        activation: str,
        seed: int,
        output: str = "linear",
        output_scale: float = 1.0,
    ):
        """Build at once, so that the variables exist before any graph is traced.

        Args:
            activation: of the hidden layers.
            output: activation of the last layer.
            output_scale: scale of the last layer's initial kernel (orthogonal initialisation).
        """
        super().__init__()
        sizes = [input_size, *hidden, output_size]
        self.dense = []
        for i, units in enumerate(sizes[1:]):
            last = i == len(hidden)
            gain = output_scale if last else 2.0**0.5
            layer = keras.layers.Dense(
                units,
                activation=output if last else activation,
                kernel_initializer=keras.initializers.Orthogonal(gain, seed=seed + i),
            )
            layer.build((None, sizes[i]))
            self.dense.append(layer)
        self.built = True

    def call(self, x: Any) -> Any:
        """Apply the layers to x [..., input_size]."""
        for layer in self.dense:
            x = layer(x)
        return x
