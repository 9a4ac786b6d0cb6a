"""Diagnostics of MGAIL's networks on evaluation episodes, which are never learnt from."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from mgail_tf.agents.mgail.imagination import burn_in
from mgail_tf.data.normaliser import Normaliser
from mgail_tf.data.replay import ReplayBuffer
from mgail_tf.types import Episode, Sequences, Spec, StateActions

COLUMNS = (
    *("open_loop_1", "open_loop_5", "open_loop_T"),
    *("logit_agent", "logit_expert", "action_share", "logit_imagined"),
)
STRETCHES = 256


def measure(
    model: Any,
    discriminator: Any,
    normaliser: Normaliser,
    spec: Spec,
    expert: StateActions,
    episodes: Sequence[Episode],
    horizons: tuple[int, int, int],
    warm: int,
) -> dict[str, float]:
    """Return how well the forward model foresees the episodes, and what the discriminator says.

    Args:
        expert: the demonstrated pairs, standardised.
        horizons: the three K below, the last one T.
        warm: recorded steps before a stretch that warm the GRU up.

    Returns:
        open_loop_K: root mean square error of a component of the standardised state after K steps
            along recorded actions. Over stretches of K steps: shorter episodes do not count, and
            NaN if all are.
        logit_agent, logit_expert: mean logit of D on the episodes' pairs and on the demonstrated
            ones, which D has learnt from.
        action_share: |grad_a D|^2 of |grad_a D|^2 + |grad_s D|^2, the squared norms of D's Jacobian
            (Eq. 9) in standardised states and actions in [-1, 1] units or one-hot; its mean over
            the episodes' pairs. 1: D tells the agent by its actions alone, 0: by its states.
        logit_imagined: as logit_agent, with the states that the model imagines on the way through
            the stretches of T steps. Well below logit_agent, D takes what the model makes of the
            same actions for the expert's; well above, it can tell what is imagined.
    """
    buffer = ReplayBuffer(sum(len(e.actions) for e in episodes), spec, normaliser)
    for episode in episodes:
        buffer.add(episode)
    rng, found = np.random.default_rng(0), []
    for count in horizons:
        drawn = buffer.sample_sequences(rng, 1, STRETCHES, warm + count)
        recorded = Sequences(*(x[0] for x in drawn))
        error, imagined = _open_loop(model, discriminator, recorded, warm)
        found.append(error)
    states = normaliser(np.concatenate([e.states[:-1] for e in episodes]))
    actions = spec.scale_actions(np.concatenate([e.actions for e in episodes]))
    for pairs in (StateActions(states, actions), expert):
        found.append(float(np.mean(discriminator(*pairs))))
    found.append(action_share(discriminator, states, actions, spec.discrete))
    return dict(zip(COLUMNS, [*found, imagined], strict=True))


def action_share(
    discriminator: Any, states: np.ndarray, actions: np.ndarray, discrete: bool
) -> float:
    """Return the actions' share of the squared norm of D's Jacobian.

    The share of a pair is the same for D and for its logit. One-hot actions always sum to one, so
    that what D would make of another sum does not count.
    """
    inputs = tf.constant(states, tf.float32), tf.constant(actions, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        logits = discriminator(*inputs)
    slopes = tape.gradient(logits, inputs, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    by_state, by_action = (np.asarray(x, np.float64) for x in slopes)
    if discrete:
        by_action -= by_action.mean(1, keepdims=True)
    state, action = (np.square(x).sum(1) for x in (by_state, by_action))
    steep = state + action > 0.0
    return float(np.mean(action[steep] / (state + action)[steep])) if steep.any() else math.nan


def _open_loop(
    model: Any, discriminator: Any, recorded: Sequences, warm: int
) -> tuple[float, float]:
    """Imagine along the actions after the first `warm` steps.

    Returns:
        The last state's error, and D's mean logit on what was imagined before it.
    """
    states, actions, _, mask = recorded
    whole = mask[warm:].all(0)
    if not whole.any():
        return math.nan, math.nan
    logits = list[float]()
    hidden, state = burn_in(model, states[:warm], actions[:warm], mask[:warm]), states[warm]
    for action in actions[warm:]:
        logits.append(np.mean(np.asarray(discriminator(state, action))[whole]))
        state, hidden = model(state, action, hidden)[:2]
    error = float(np.sqrt(np.mean(np.square(state - states[-1])[whole])))
    return error, float(np.mean(logits[1:])) if logits[1:] else math.nan
