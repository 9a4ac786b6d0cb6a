"""What is minimised: both sides of Eq. 3, the forward model's loss, and cloning's likelihood."""

import tensorflow as tf

from mgail_tf import blocks
from mgail_tf.types import Sequences


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


def discriminator_loss(discriminator, agent, expert, mix, penalty: float, slope: float):
    """Return (loss, metrics) of telling agent pairs (label 1) from expert pairs (label 0), Eq. 3.

    Args:
        agent, expert: (states [B, S], actions [B, A]).
        mix: [B, 1] uniform numbers that place the points where the gradient is penalised.
        penalty: weight of max(0, |d logit / d(s, a)| - slope)^2 on points between the two; 0 is
            the paper's. One-sided (Gulrajani et al. 2017 discuss it), so that the discriminator
            can be flat where the two are alike: a two-sided one keeps pushing there.
        slope: the steepest that goes unpunished, logits per standardised unit.
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
        loss += penalty * tf.reduce_mean(tf.square(tf.maximum(norm - slope, 0.0)))
    return loss, metrics


def forward_model_loss(model, sequences: Sequences, recorded: int = 0, unroll: bool = False):
    """Return (loss, metrics): squared error of the next state and cross-entropy of the end.

    states:   s0  s1  s2 ... sL     the hidden state runs along from the first recorded step
    targets:      s1  s2 ... sL     and stays 0 over padding, which is not counted

    Args:
        recorded: how many steps start in the recorded state; those after start in the model's own
            prediction, as imagined ones do, and the gradient flows through it. 0: all.
        unroll: see `blocks.scan`.
    """
    states, actions, terminated, mask = sequences
    begun = tf.concat([tf.zeros_like(mask[:1]), mask[:-1]], 0) > 0  # the step before is recorded
    own = begun & (tf.range(mask.shape[0])[:, None] >= (recorded or mask.shape[0]))

    def step(carry, given):
        ahead, hidden, _ = carry
        state, action, own_t, mask_t = given
        prediction = model(tf.where(own_t[:, None], ahead, state), action, hidden)
        hidden = prediction.hidden * mask_t[:, None]
        return prediction.next_states, hidden, prediction.end_logits

    hidden = tf.zeros([states.shape[1], model.hidden_size], states.dtype)
    carry = states[0], hidden, tf.zeros_like(mask[0])
    given = states[:-1], actions, own, mask
    ahead, _, end_logits = blocks.scan(step, carry, given, unroll)
    squared = tf.reduce_sum(tf.square(ahead - states[1:]), -1)
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(terminated, end_logits)
    error, end_loss = (tf.reduce_sum(mask * x) / tf.reduce_sum(mask) for x in (squared, entropy))
    return error + end_loss, {"model_error": error, "end_loss": end_loss}


def costs_to_go(costs, survival, values, gamma: float, lam: float, dead_cost: float):
    """Return G [T, B], the discounted cost from each step on, per step: times (1 - gamma).

    costs:     c0  c1 ... cT-1         G_t = (1 - gamma) c_t + gamma (q_t after_t + (1 - q_t) dead)
    survival:  q0  q1 ... qT-1         after_t = lam G_t+1 + (1 - lam) v_t+1
    values:        v1 ... vT-1  vT     G_T = vT

    Args:
        values: [T, B] costs to go of the states s1 ... sT by a value function; None: what lies
            beyond the horizon costs nothing, and `lam` plays no part.
        lam: 1 sums the imagined costs up to the horizon, 0 trusts the value after one step.
        dead_cost: of every step after the end of the task, up to the horizon where that is all.
    """
    steps, rows = costs.shape[0], []
    to_go = tf.zeros_like(costs[0]) if values is None else values[-1]
    for t in reversed(range(steps)):
        dead, after = dead_cost, to_go
        if values is None:
            dead = dead_cost * (1.0 - gamma ** (steps - 1 - t))
        elif lam < 1.0:
            after = lam * to_go + (1.0 - lam) * values[t]
        to_go = (1.0 - gamma) * costs[t] + gamma * (
            survival[t] * after + (1.0 - survival[t]) * dead
        )
        rows.append(to_go)
    return tf.stack(rows[::-1])


def value_loss(value, states, to_go, mask):
    """Return (loss, metrics): squared error of the value in states [T, B, S].

    Args:
        to_go: [T, B] its targets; mask: [T, B] 0 where a step is padding and does not count.
    """
    squared = tf.square(value(states) - to_go)
    loss, mean = (tf.reduce_sum(mask * x) / tf.reduce_sum(mask) for x in (squared, to_go))
    return loss, {"value_loss": loss, "value": mean}


def cloning_loss(policy, states, actions):
    """Return the mean negative log-likelihood of actions [B, A] in states [B, S]."""
    return -tf.reduce_mean(policy.distribution(states).log_prob(actions))
