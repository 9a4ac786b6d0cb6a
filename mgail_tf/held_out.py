"""What MGAIL's networks make of episodes that none has learnt from: those of an evaluation."""

import math
from collections.abc import Sequence

import numpy as np

from mgail_tf.agents.mgail import MGAIL
from mgail_tf.imagination import burn_in
from mgail_tf.replay import ReplayBuffer
from mgail_tf.results import HELD_OUT
from mgail_tf.types import Episode, Pairs, Sequences

STRETCHES = 256


def measure(learner: MGAIL, episodes: Sequence[Episode], expert: Pairs) -> dict[str, float]:
    """Return how well the forward model foresees the episodes, and what the discriminator says.

    Args:
        expert: the demonstrated pairs, as the learner got them.

    Returns:
        open_loop_K: root mean square error of a component of the standardised state after K steps
            along recorded actions, by the model imagined with; K is 1, 5 and the horizon. Over
            stretches of K steps: shorter episodes do not count, and NaN if all are.
        logit_agent, logit_expert: mean logit of D = P(agent | s, a) on the episodes' pairs and on
            the demonstrated ones, which D has learnt from.
    """
    steps = sum(len(episode.actions) for episode in episodes)
    buffer = ReplayBuffer(steps, learner.spec, learner.normaliser)
    for episode in episodes:
        buffer.add(episode)
    rng, warm, found = np.random.default_rng(0), learner.config.burn_in, []
    for count in (1, 5, learner.config.horizon):
        drawn = buffer.sample_sequences(rng, 1, STRETCHES, warm + count)
        found.append(_open_loop(learner.slow_model, Sequences(*(x[0] for x in drawn)), warm))
    actions = learner.spec.scale_actions(np.concatenate([e.actions for e in episodes]))
    agent = Pairs(np.concatenate([e.states[:-1] for e in episodes]), actions)
    for states, actions in (agent, expert):
        found.append(float(np.mean(learner.discriminator(learner.normaliser(states), actions))))
    return dict(zip(HELD_OUT, found, strict=True))


def _open_loop(model, recorded: Sequences, warm: int) -> float:
    """Imagine along the actions after the first `warm` steps; return the last state's error."""
    states, actions, _, mask = recorded
    whole = mask[warm:].all(0)
    if not whole.any():
        return math.nan
    hidden, state = burn_in(model, states[:warm], actions[:warm], mask[:warm]), states[warm]
    for action in actions[warm:]:
        state, hidden = model(state, action, hidden)[:2]
    return float(np.sqrt(np.mean(np.square(state - states[-1])[whole])))
