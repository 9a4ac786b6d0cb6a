"""The T-step differentiable rollout, through which D's exact gradient reaches the policy.

The tape's gradient of a trajectory's cost is the recursion of Eq. 12 and 13: each step's action
depends on the state by the policy (pi_s, pi_theta), each state on the last state and action by
the forward model (f_s, f_a).
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from mgail_tf.agents.mgail.scan import scan
from mgail_tf.networks.forward_model import Prediction
from mgail_tf.types import Sequences, Trajectory

# (states [B, S], actions [B, A], hidden [B, H], t []) -> Prediction of step t
Dynamics = Callable[[Any, Any, Any, Any], Prediction]


def dynamics_of(model: Any) -> Dynamics:
    """Return a forward model as dynamics: the same at every step."""
    return lambda states, actions, hidden, t: model(states, actions, hidden)


def never_terminating(dynamics: Dynamics) -> Dynamics:
    """Return dynamics in which no step terminates the task, as in the paper."""

    def predict(states, actions, hidden, t):
        prediction = dynamics(states, actions, hidden, t)
        never = tf.fill(tf.shape(prediction.termination_logits), -float("inf"))
        return prediction._replace(termination_logits=tf.cast(never, states.dtype))

    return predict


def with_errors(dynamics: Dynamics, errors: Any) -> Dynamics:
    """Return dynamics that add errors [T, B, S], what a model without noise leaves out."""

    def predict(states, actions, hidden, t):
        prediction = dynamics(states, actions, hidden, t)
        return prediction._replace(next_states=prediction.next_states + errors[t])

    return predict


def clip_state_gradient(limit: float) -> Callable[[Any], Any]:
    """Return the identity on rows [B, X] whose gradient has a norm of at most `limit` a row."""

    @tf.custom_gradient
    def identity(x):
        def backward(upstream):
            norm = tf.norm(upstream, axis=-1, keepdims=True)
            return upstream * tf.minimum(1.0, limit / (norm + 1e-12))

        return tf.identity(x), backward

    return identity


def burn_in(model: Any, states: Any, actions: Any, mask: Any) -> Any:
    """Return the hidden state [B, H] after recorded steps, 0 before an episode's beginning.

    Args:
        states: [L, B, S]; actions: [L, B, A]; mask: [L, B] 0 where a step is padding.
    """
    hidden = tf.zeros([states.shape[1], model.hidden_size], states.dtype)
    for t in range(states.shape[0]):
        hidden = model(states[t], actions[t], hidden).hidden * mask[t][:, None]
    return hidden


def imagine(
    policy: Any,
    dynamics: Dynamics,
    start: Any,
    hidden: Any,
    noise: Any,
    unroll: bool,
    see: Callable[[Any], Any] = lambda carried: carried,
) -> Trajectory:
    """Roll the policy out in the forward model; states after the first come from the model.

    states:        s0  s1 ... sT       a_t = pi(s_t, noise_t)   s_t+1 = f(s_t, a_t)
    actions:       a0  a1 ... aT-1
    continuation:  q0  q1 ... qT-1     q_t = 1 - P(step t terminates the task)

    Args:
        policy: a network of `networks.policy`.
        start: [B, S]; hidden: [B, H] from `burn_in`; noise: [T, B, A] from `draw_noise`.
        unroll: see `scan.scan`.
        see: what policy and model see of a state and the hidden state beside it, [B, S + H]. With
            `clip_state_gradient` it bounds what J_s (Eq. 12) carries through both from the steps
            after them; D's and V's own slopes there come on top. Else the gradient is exact.
    """
    sizes = start.shape[-1], hidden.shape[-1]

    def step(carry, given):
        t, noise_t = given
        state, hidden = tf.split(see(tf.concat(carry[:2], -1)), sizes, -1)
        action = policy.sample(state, noise_t)  # Eq. 10; Section 3.2.2 where discrete
        if not policy.discrete:
            action = tf.clip_by_value(action, -1.0, 1.0)  # as the environment does
        # Eq. 11: the next state is a function of this state and action
        next_state, hidden, logits = dynamics(state, action, hidden, t)
        return next_state, hidden, action, tf.sigmoid(-logits)

    given = tf.range(noise.shape[0]), noise
    mask = tf.ones(noise.shape[:2], noise.dtype)
    return _roll(step, start, hidden, noise, given, mask, unroll)


def replay_rollout(
    policy: Any,
    dynamics: Dynamics,
    recorded: Sequences,
    hidden: Any,
    noise: Any,
    unroll: bool,
) -> Trajectory:
    """Roll out along recorded steps: recorded values, the model's gradients (Heess et al. 2015).

    The noise is inferred, so that the policy draws the recorded action a_t in the recorded state:
    a_t = pi(s_t, noise_t), and s_t+1 = f(s_t, a_t) + constant has the recorded value. Where the
    task ended, `continuation` is 0. Nothing passes through padding: a trajectory begins after it.

    Args:
        recorded: T steps, B of each.
        hidden: [B, H] from `burn_in`.
        noise: [T, B, A] fresh noise from `draw_noise`, of which a categorical policy uses what the
            recorded action leaves open.
    """
    states, actions, terminated, mask = recorded

    def step(carry, given):
        t, action_t, next_state, noise_t, ended, mask_t = given
        state, hidden, _, _ = carry
        inferred = tf.stop_gradient(policy.infer_noise(state, action_t, noise_t))
        action = policy.sample(state, inferred)
        prediction = dynamics(state, action, hidden, t)
        ahead = prediction.next_states * mask_t[:, None]
        ahead = ahead + tf.stop_gradient(next_state - ahead)
        return ahead, prediction.hidden * mask_t[:, None], action, 1.0 - ended

    given = tf.range(noise.shape[0]), actions, states[1:], noise, terminated * mask, mask
    return _roll(step, states[0], hidden, actions, given, mask, unroll)


def first_recorded(values: Any, mask: Any) -> Any:
    """Return values [T, B] of each trajectory's first step that is no padding, [B].

    Args:
        mask: [T, B] 0 where a step is padding, which comes first if there is any.
    """
    first = mask - tf.concat([tf.zeros_like(mask[:1]), mask[:-1]], 0)
    return tf.reduce_sum(first * values, 0)


def _roll(
    step: Any, start: Any, hidden: Any, actions: Any, inputs: Any, mask: Any, unroll: bool
) -> Trajectory:
    """Run `step` over the leading axis of `inputs`, see `scan.scan`."""
    carry = (start, hidden, tf.zeros_like(actions[0]), tf.ones_like(start[:, 0]))
    states, _, drawn, continuation = scan(step, carry, inputs, unroll)
    return Trajectory(tf.concat([start[None], states], 0), drawn, continuation, mask)
