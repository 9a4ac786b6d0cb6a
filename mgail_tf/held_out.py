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
        logit_imagined: as logit_agent, with the states that the model imagines on the way through
            the stretches of a horizon. Well below logit_agent, D takes what the model makes of the
            same actions for the expert's; well above, it can tell what is imagined.
    """
    steps = sum(len(episode.actions) for episode in episodes)
    buffer = ReplayBuffer(steps, learner.spec, learner.normaliser)
    for episode in episodes:
        buffer.add(episode)
    rng, warm, found = np.random.default_rng(0), learner.config.burn_in, []
    for count in (1, 5, learner.config.horizon):
        drawn = buffer.sample_sequences(rng, 1, STRETCHES, warm + count)
        error, imagined = _open_loop(learner, Sequences(*(x[0] for x in drawn)), warm)
        found.append(error)
    actions = learner.spec.scale_actions(np.concatenate([e.actions for e in episodes]))
    agent = Pairs(np.concatenate([e.states[:-1] for e in episodes]), actions)
    for states, actions in (agent, expert):
        found.append(float(np.mean(learner.discriminator(learner.normaliser(states), actions))))
    found.append(imagined)
    return dict(zip(HELD_OUT, found, strict=True))


def _open_loop(learner: MGAIL, recorded: Sequences, warm: int) -> tuple[float, float]:
    """Imagine along the actions after the first `warm` steps.

    Returns:
        The last state's error, and D's mean logit on what was imagined before it.
    """
    states, actions, _, mask = recorded
    whole = mask[warm:].all(0)
    if not whole.any():
        return math.nan, math.nan
    model, logits = learner.slow_model, list[float]()
    hidden, state = burn_in(model, states[:warm], actions[:warm], mask[:warm]), states[warm]
    for action in actions[warm:]:
        logits.append(np.mean(np.asarray(learner.discriminator(state, action))[whole]))
        state, hidden = model(state, action, hidden)[:2]
    error = float(np.sqrt(np.mean(np.square(state - states[-1])[whole])))
    return error, float(np.mean(logits[1:])) if logits[1:] else math.nan
