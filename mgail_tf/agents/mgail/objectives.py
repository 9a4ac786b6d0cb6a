"""What MGAIL minimises beside Eq. 3: the model's loss, discounted costs, the value's regression."""

from typing import Any

import tensorflow as tf

from mgail_tf.agents.mgail.scan import scan
from mgail_tf.types import Sequences


def forward_model_loss(
    model: Any, sequences: Sequences, teacher_forced_steps: int | None, unroll: bool
) -> tuple[Any, Any]:
    """Return (squared error of the next state, cross-entropy of termination) of the model.

    states:   s0  s1  s2 ... sL     the hidden state runs along from the first recorded step
    targets:      s1  s2 ... sL     and stays 0 over padding, which is not counted

    Args:
        teacher_forced_steps: how many steps, padding included, start in the recorded state; those
            after start in the model's own prediction, as imagined ones do, and the gradient flows
            through it. None: all start in the recorded state.
        unroll: see `scan.scan`.
    """
    states, actions, terminated, mask = sequences
    begun = tf.concat([tf.zeros_like(mask[:1]), mask[:-1]], 0) > 0  # the step before is recorded
    forced = teacher_forced_steps or mask.shape[0]
    own = begun & (tf.range(mask.shape[0])[:, None] >= forced)  # [L, B]

    def step(carry, given):
        ahead, hidden, _ = carry
        state, action, own_t, mask_t = given
        prediction = model(tf.where(own_t[:, None], ahead, state), action, hidden)
        hidden = prediction.hidden * mask_t[:, None]
        return prediction.next_states, hidden, prediction.termination_logits

    hidden = tf.zeros([states.shape[1], model.hidden_size], states.dtype)
    carry = states[0], hidden, tf.zeros_like(mask[0])
    ahead, _, logits = scan(step, carry, (states[:-1], actions, own, mask), unroll)
    squared = tf.reduce_sum(tf.square(ahead - states[1:]), -1)
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(terminated, logits)
    return masked_mean(squared, mask), masked_mean(entropy, mask)


def lambda_costs(
    costs: Any,
    continuation: Any,
    values: Any,
    gamma: float,
    td_lambda: float,
    termination_cost: Any,
) -> Any:
    """Return G [T, B], the discounted cost from each step on, per step: times (1 - gamma).

    costs:         c0  c1 ... cT-1     G_t = (1 - gamma) c_t + gamma (q_t after_t + (1 - q_t) dead)
    continuation:  q0  q1 ... qT-1     after_t = lambda G_t+1 + (1 - lambda) v_t+1
    values:            v1 ... vT-1  vT     G_T = vT

    Args:
        values: [T, B] costs to go of the states s1 ... sT by a value function; None: what lies
            beyond the horizon costs nothing, and `td_lambda` plays no part.
        td_lambda: 1 sums the imagined costs up to the horizon, 0 trusts the value after one step.
        termination_cost: [] or [T, B], of each step after the end of the task; without a value
            function only the steps that are left of the horizon are charged.
    """
    steps, rows = costs.shape[0], []
    to_go = tf.zeros_like(costs[0]) if values is None else values[-1]  # Line 9 of Algorithm 1
    ends = tf.broadcast_to(tf.cast(termination_cost, costs.dtype), tf.shape(costs))
    for t in reversed(range(steps)):
        dead, after = ends[t], to_go
        if values is None:
            dead = ends[t] * (1.0 - gamma ** (steps - 1 - t))
        elif td_lambda < 1.0:
            after = td_lambda * to_go + (1.0 - td_lambda) * values[t]  # values[t] is v_t+1
        to_go = (1.0 - gamma) * costs[t] + gamma * (
            continuation[t] * after + (1.0 - continuation[t]) * dead
        )
        rows.append(to_go)
    return tf.stack(rows[::-1])


def value_loss(value: Any, states: Any, targets: Any, mask: Any) -> Any:
    """Return the squared error of the value in states [T, B, S].

    Args:
        targets: [T, B] costs to go; mask: [T, B] 0 where a step is padding and does not count.
    """
    return masked_mean(tf.square(value(states) - targets), mask)


def masked_mean(x: Any, mask: Any) -> Any:
    """Return the mean of x [T, B] where the mask is 1."""
    return tf.reduce_sum(mask * x) / tf.reduce_sum(mask)
