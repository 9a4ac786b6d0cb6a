"""The state-value network and its regression."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mgail_tf.networks.mlp import MLP


class Value(keras.Model):
    """V(s): expected discounted sum from a state on."""

    def __init__(self, state_size: int, hidden: Sequence[int], activation: str, seed: int):
        """Build a value network for standardised states [..., S]."""
        super().__init__()
        self.trunk = MLP(state_size, hidden, 1, activation, seed)

    def call(self, states: Any) -> Any:
        """Return values [...] for states [..., S]."""
        return tf.squeeze(self.trunk(states), -1)


class ValueFit:
    """Least-squares fit of a Value to targets, by Adam over shuffled minibatches."""

    def __init__(self, value: Value, learning_rate: float, jit_compile: bool = True):
        """Make the optimiser and its slots."""
        self._value = value
        self._pass = tf.function(self._minibatches, jit_compile=jit_compile)
        self.optimiser = keras.optimizers.Adam(learning_rate)
        self.optimiser.build(value.trainable_variables)

    def _minibatches(self, states, targets, minibatches):
        loss = 0.0
        for rows in minibatches:  # [rows of one minibatch]
            with tf.GradientTape() as tape:
                error = self._value(tf.gather(states, rows)) - tf.gather(targets, rows)
                loss = tf.reduce_mean(tf.square(error))
            variables = self._value.trainable_variables
            self.optimiser.apply(tape.gradient(loss, variables), variables)
        return loss

    def fit(
        self,
        states: np.ndarray,
        targets: np.ndarray,
        epochs: int,
        batch: int,
        rng: np.random.Generator,
    ) -> float:
        """Return the last loss of `epochs` passes over states [N, S] and targets [N].

        A pass has whole batches only: what is left over waits for another order.
        """
        batch = min(batch, len(states))
        count = len(states) // batch
        order = [rng.permutation(len(states))[: count * batch] for _ in range(epochs)]
        minibatches = np.concatenate(order).reshape(-1, batch).astype(np.int32)
        loss = self._pass(
            tf.constant(states), tf.constant(targets, tf.float32), tf.constant(minibatches)
        )
        return float(loss)
