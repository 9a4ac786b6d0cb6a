"""The discriminator D(s, a) = P(agent | s, a), the paper's convention (Eq. 6), and Eq. 3.

Everywhere the network gives the LOGIT of D: positive where a pair looks like the agent's, negative
where it looks like the expert's.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from mgail_tf.networks.mlp import MLP
from mgail_tf.types import Spec, StateActions


class Discriminator(keras.Model):
    """The logit of D."""

    def __init__(self, spec: Spec, hidden: Sequence[int], activation: str, seed: int):
        """Build a discriminator of standardised states [..., S] and actions [..., A]."""
        super().__init__()
        self.trunk = MLP(spec.state_size + spec.action_size, hidden, 1, activation, seed)

    def call(self, states: Any, actions: Any) -> Any:
        """Return logits [...] for states [..., S] and actions [..., A]."""
        return tf.squeeze(self.trunk(tf.concat([states, actions], -1)), -1)


def policy_cost(logits: Any, kind: str) -> Any:
    """Return the cost [...] of being told apart, from logits of D.

    Args:
        kind: "log_d", log D, is Eq. 3's: never positive, so a longer episode is cheaper.
            "neg_log_expert", -log(1 - D), is never negative, so a shorter one is cheaper.
    """
    if kind == "log_d":
        return -tf.nn.softplus(-logits)
    if kind == "neg_log_expert":
        return tf.nn.softplus(logits)
    raise ValueError(f"unknown cost {kind!r}")


def discriminator_loss(
    discriminator: Any,
    agent: StateActions,
    expert: StateActions,
    mix: Any,
    penalty: float,
    slope: float,
) -> tuple[Any, dict[str, Any]]:
    """Return (loss, metrics) of telling agent pairs (label 1) from expert pairs (label 0), Eq. 3.

    Args:
        agent, expert: states [B, S], actions [B, A].
        mix: [B, 1] uniform numbers that place the points where the gradient is penalised.
        penalty: weight of max(0, |d logit / d(s, a)| - slope)^2 on points between the two; 0 is
            the paper's. One-sided (Gulrajani et al. 2017 discuss it), so that the discriminator
            can be flat where the two are alike.
        slope: the steepest that goes unpunished, logits per standardised unit.
    """
    agent_logits, expert_logits = discriminator(*agent), discriminator(*expert)
    # Eq. 3: E_agent[log D] + E_expert[log(1 - D)], maximised by D
    loss = tf.reduce_mean(tf.nn.softplus(-agent_logits)) + tf.reduce_mean(
        tf.nn.softplus(expert_logits)
    )
    right = tf.concat([agent_logits > 0, expert_logits < 0], 0)
    metrics = {
        "discriminator_loss": loss,
        "discriminator_accuracy": tf.reduce_mean(tf.cast(right, loss.dtype)),
    }
    if penalty:
        states, actions = [a * mix + e * (1.0 - mix) for a, e in zip(agent, expert, strict=True)]
        with tf.GradientTape() as tape:
            tape.watch([states, actions])
            logits = discriminator(states, actions)
        slopes = tf.concat(tape.gradient(logits, [states, actions]), -1)
        norm = tf.sqrt(tf.reduce_sum(tf.square(slopes), -1) + 1e-12)
        loss += penalty * tf.reduce_mean(tf.square(tf.maximum(norm - slope, 0.0)))
    return loss, metrics
