"""What is minimised: both sides of Eq. 3, the forward model's loss, and cloning's likelihood."""

from typing import Any

import tensorflow as tf

from mgail_tf.types import Sequences, Trajectory


def policy_cost(logits, kind: str):
    """Return the cost [...] of being told apart, from logits of D = P(agent | s, a).

    Args:
        kind: "log_d", log D, is Eq. 3's: never positive, so a longer episode is cheaper.
            "neg_log_expert", -log(1 - D), is never negative, so a shorter one is cheaper.
            "logit", their sum log D - log(1 - D), has either sign.
    """
    if kind == "log_d":
        return -tf.nn.softplus(-logits)
    if kind == "neg_log_expert":
        return tf.nn.softplus(logits)
    if kind == "logit":
        return logits
    raise ValueError(f"unknown cost {kind!r}")


def discriminator_loss(discriminator, agent, expert, mix, penalty: float):
    """Return (loss, metrics) of telling agent pairs (label 1) from expert pairs (label 0), Eq. 3.

    Args:
        agent, expert: (states [B, S], actions [B, A]).
        mix: [B, 1] uniform numbers that place the points where the gradient is penalised.
        penalty: weight of (|d logit / d(s, a)| - 1)^2 on points between the two (Gulrajani et
            al. 2017); 0 is the paper's.
    """
    agent_logits, expert_logits = discriminator(*agent), discriminator(*expert)
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
        loss += penalty * tf.reduce_mean(tf.square(norm - 1.0))
    return loss, metrics


def forward_model_loss(model, sequences: Sequences):
    """Return (loss, metrics): squared error of the next state and cross-entropy of the end.

    states:   s0  s1  s2 ... sL     the hidden state runs along from the first recorded step
    targets:      s1  s2 ... sL     and stays 0 over padding, which is not counted
    """
    states, actions, terminated, mask = sequences
    hidden = tf.zeros([states.shape[1], model.hidden_size], states.dtype)
    error, end_loss = 0.0, 0.0
    for t in range(actions.shape[0]):
        prediction = model(states[t], actions[t], hidden)
        hidden = prediction.hidden * mask[t][:, None]
        squared = tf.reduce_sum(tf.square(prediction.next_states - states[t + 1]), -1)
        entropy = tf.nn.sigmoid_cross_entropy_with_logits(terminated[t], prediction.end_logits)
        error += tf.reduce_sum(mask[t] * squared)
        end_loss += tf.reduce_sum(mask[t] * entropy)
    steps = tf.reduce_sum(mask)
    error, end_loss = error / steps, end_loss / steps
    return error + end_loss, {"model_error": error, "end_loss": end_loss}


def trajectory_cost(
    discriminator, trajectory: Trajectory, gamma: float, kind: str, dead_cost: float
) -> tuple[Any, dict[str, Any]]:
    """Return (J, metrics), the discounted cost of Section 3.4 per step of a trajectory.

    states:  s0  s1 ... sT-1  sT    alive[t]: probability that the task has not ended before s_t
    costs:   c0  c1 ... cT-1        a dead step costs `dead_cost` instead
    """
    steps = trajectory.actions.shape[0]
    logits = discriminator(trajectory.states[:-1], trajectory.actions)
    costs = policy_cost(logits, kind)
    alive = trajectory.alive[:-1]
    discounts = tf.constant([gamma**t for t in range(steps)], costs.dtype)[:, None]
    expected = alive * costs + (1.0 - alive) * dead_cost
    loss = tf.reduce_sum(tf.reduce_mean(discounts * expected, 1)) / steps
    return loss, {"policy_cost": tf.reduce_mean(costs), "alive": tf.reduce_mean(alive[-1])}


def cloning_loss(policy, states, actions):
    """Return the mean negative log-likelihood of actions [B, A] in states [B, S]."""
    return -tf.reduce_mean(policy.distribution(states).log_prob(actions))
