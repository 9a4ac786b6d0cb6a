"""The T-step differentiable rollout, through which D's exact gradient reaches the policy.

The tape's gradient of a trajectory's cost is the recursion of Eq. 12 and 13: each step's action
depends on the state by the policy (pi_s, pi_theta), each state on the last state and action by
the forward model (f_s, f_a).
"""

from typing import Any

import tensorflow as tf

from mgail_tf import blocks
from mgail_tf.types import Sequences, Trajectory


def burn_in(model, states, actions, mask):
    """Return the hidden state [B, H] after recorded steps, 0 before an episode's beginning.

    Args:
        states: [L, B, S]; actions: [L, B, A]; mask: [L, B] 0 where a step is padding.
    """
    hidden = tf.zeros([states.shape[1], model.hidden_size], states.dtype)
    for t in range(states.shape[0]):
        hidden = model(states[t], actions[t], hidden).hidden * mask[t][:, None]
    return hidden


def bounded(states, limit: float):
    """Return states [B, S] as they are; shorten each row's gradient to a norm of `limit`."""

    @tf.custom_gradient
    def identity(x):
        def backward(upstream):
            norm = tf.norm(upstream, axis=-1, keepdims=True)
            return upstream * tf.minimum(1.0, limit / (norm + 1e-12))

        return tf.identity(x), backward

    return identity(states)


def imagine(
    policy,
    model,
    start,
    hidden,
    noise,
    unroll: bool,
    with_end: bool,
    limit: float = 0.0,
    errors=None,
) -> Trajectory:
    """Roll the policy out in the forward model; states after the first come from the model.

    start = s0   a_t = pi(s_t, noise_t)   s_t+1 = f(s_t, a_t) + e_t   survival_t = 1 - P(end at t)

    Args:
        start: [B, S]; hidden: [B, H] from `burn_in`; noise: [T, B, A] from `draw_noise`.
        unroll: see `blocks.scan`.
        with_end: let the model say where the task ends; else `survival` is 1.
        limit: bound on the norm of what J_s (Eq. 12) carries through a state from the steps after
            it, by policy and model; D's and V's own slopes there come on top. 0 leaves the gradient
            exact. Without one, the few trajectories whose gradient explodes over many steps decide
            the direction of the whole batch.
        errors: [T, B, S] e, what a model without noise leaves out; None: nothing.
    """

    def step(carry, drawn):
        noise_t, error = (drawn, None) if errors is None else drawn
        state, hidden, _, _ = carry
        state = bounded(state, limit) if limit else state
        action = policy.sample(state, noise_t)
        if not policy.discrete:
            action = tf.clip_by_value(action, -1.0, 1.0)  # as the environment does
        prediction = model(state, action, hidden)
        ends = prediction.end_logits
        survival = tf.sigmoid(-ends) if with_end else tf.ones_like(ends)
        ahead = prediction.next_states if error is None else prediction.next_states + error
        return ahead, prediction.hidden, action, survival

    drawn = noise if errors is None else (noise, errors)
    return _roll(step, start, hidden, noise, drawn, unroll)


def replay_rollout(policy, model, recorded: Sequences, noise, hidden, unroll: bool) -> Trajectory:
    """Roll out along recorded steps: recorded values, the model's gradients (Heess et al. 2015).

    The noise is inferred, so that the policy draws the recorded action a_t in the recorded state:
    a_t = pi(s_t, noise_t), and s_t+1 = f(s_t, a_t) + constant has the recorded value. Where the
    task ended, `survival` is 0. Nothing passes through padding: the trajectory begins after it.

    Args:
        recorded: T steps, B of each.
        noise: [T, B, A] fresh noise from `draw_noise`, of which a categorical policy uses what the
            recorded action leaves open.
        hidden: [B, H] from `burn_in`.
    """
    states, actions, terminated, mask = recorded

    def step(carry, given):
        state, hidden, _, _ = carry
        action_t, next_state, noise_t, ended, mask_t = given
        inferred = tf.stop_gradient(policy.infer_noise(state, action_t, noise_t))
        action = policy.sample(state, inferred)
        prediction = model(state, action, hidden)
        ahead = prediction.next_states * mask_t[:, None]
        ahead = ahead + tf.stop_gradient(next_state - ahead)
        return ahead, prediction.hidden * mask_t[:, None], action, 1.0 - ended

    given = actions, states[1:], noise, terminated * mask, mask
    return _roll(step, states[0], hidden, actions, given, unroll)


def first_recorded(values, mask):
    """Return values [T, B] of each trajectory's first step that is no padding, [B].

    Args:
        mask: [T, B] 0 where a step is padding, which comes first if there is any.
    """
    first = mask - tf.concat([tf.zeros_like(mask[:1]), mask[:-1]], 0)
    return tf.reduce_sum(first * values, 0)


def _roll(step, start, hidden, actions, inputs: Any, unroll: bool) -> Trajectory:
    """Run `step` over the leading axis of `inputs`, see `blocks.scan`."""
    carry = (start, hidden, tf.zeros_like(actions[0]), tf.ones_like(start[:, 0]))
    states, _, drawn, survival = blocks.scan(step, carry, inputs, unroll)
    return Trajectory(tf.concat([start[None], states], 0), drawn, survival)
