"""The discriminator D(s, a) = P(agent | s, a), the paper's convention (Eq. 6)."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from mgail_tf.networks.mlp import MLP
from mgail_tf.types import Spec


class Discriminator(keras.Model):
    """The logit of D: positive where a pair looks like the agent's, negative the expert's."""

    def __init__(self, spec: Spec, hidden: Sequence[int], activation: str, seed: int):
        """Build a discriminator of standardised states [..., S] and actions [..., A]."""
        super().__init__()
        self.trunk = MLP(spec.state_size + spec.action_size, hidden, 1, activation, seed)

    def call(self, states, actions):
        """Return logits [...] for states [..., S] and actions [..., A]."""
        return tf.squeeze(self.trunk(tf.concat([states, actions], -1)), -1)
