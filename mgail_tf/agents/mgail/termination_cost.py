"""What the time after a termination costs, judged by how the demonstrations end.

A terminated task stays in an absorbing state for ever (Kostrikov et al. 2019). Of an episode that
terminates after L steps, a share gamma^L of the discounted time is spent there; an episode that a
time limit cuts counts as 0.

Where a quarter of the demonstrations or more are cut off, termination is failure: it costs
`FAILURE`, or `MARGIN` more than the agent's living if that is dearer, so that no agent ends early
to be spared its costs.

Where nearly all terminate, termination is part of what the expert shows. The absorbing state is
judged like any other, by a logit log(agent's / expert's) of two parts: the shares of time, which
say WHEN to end, and a discriminator of the last states, which says WHERE. -log(1 - D) is positive
however rarely the agent terminates, as if it should not, so the logit itself stands for it as far
as it is positive: termination is free until it comes sooner than the expert's, or elsewhere.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from mgail_tf.checkpoint import Resumable
from mgail_tf.data.demonstrations import Demonstrations, mostly
from mgail_tf.networks.discriminator import policy_cost
from mgail_tf.types import Episode

FAILURE = 4.0  # cost per step after a termination that is a failure: D = 0.98
MARGIN = 2.0  # of failure over living, per step
_EPISODES = 10  # of the agent's, the last ones
_SMALLEST = 1e-3  # added to both shares: the ratio of two that are hardly there says nothing
_SOONEST, _LATEST = 2.0, -6.0  # bounds on the logit of the shares


class Terminations(NamedTuple):
    """How whole episodes ended."""

    lengths: np.ndarray  # [E] steps
    terminated: np.ndarray  # [E] the task ended, as against a time limit

    def share(self, gamma: float) -> float:
        """Return the mean share of discounted time after the termination."""
        return float(np.mean(self.terminated * gamma**self.lengths))


def terminations_of(demonstrations: Demonstrations) -> Terminations:
    """Return how demonstrated episodes ended."""
    return Terminations(demonstrations.lengths, demonstrations.terminated)


class TerminationCost(Resumable):
    """The cost per imagined step after a termination.

    Attributes:
        judged: it is judged, as against fixed or failure.
    """

    _plain = ("_lengths", "_terminated", "_open")

    def __init__(self, shown: Terminations, kind: str, gamma: float, fixed: float | None):
        """Remember how the demonstrations end.

        Args:
            kind: of the policy's cost, as in `networks.discriminator.policy_cost`.
            fixed: the cost, whatever is demonstrated; None: as the module says.
        """
        self._kind, self._gamma, self._fixed = kind, gamma, fixed
        ends = int(np.sum(shown.terminated))
        self.judged = fixed is None and mostly(shown.terminated)
        self._share = shown.share(gamma)
        # one end says nothing of where others are: it bounds the logit of WHERE by 0
        self._bound = math.log((1 + ends) / 2) if self.judged else 0.0
        self._lengths: list[int] = []
        self._terminated: list[bool] = []
        self._open = 0  # steps so far of the episode that is going on

    def add(self, episode: Episode, of_agent: bool = True) -> None:
        """Take in an episode, or a part of one.

        Args:
            of_agent: it is the agent that ends it.
        """
        self._open = len(episode.actions) + (self._open if episode.continued else 0)
        if of_agent and (episode.terminated or episode.truncated):
            self._lengths = [*self._lengths, self._open][-_EPISODES:]
            self._terminated = [*self._terminated, episode.terminated][-_EPISODES:]

    def value(self) -> float:
        """Return the fixed cost, or the logit of the shares of time where it is judged."""
        if not self.judged:
            return FAILURE if self._fixed is None else self._fixed
        ended = Terminations(np.array(self._lengths), np.array(self._terminated))
        agent = ended.share(self._gamma) if self._lengths else 0.0
        ratio = (agent + _SMALLEST) / (self._share + _SMALLEST)
        return float(np.clip(np.log(ratio), _LATEST, _SOONEST))

    def at(self, value: Any, where: Any, living: Any) -> Any:
        """Return the cost after ends, in the graph.

        Args:
            value: [] from `value`.
            where: [...] logits of the states in which the task ends; None if there is no
                discriminator of them.
            living: [] mean cost of the agent's steps.
        """
        if self._fixed is not None:
            return value
        living = tf.stop_gradient(living)
        if not self.judged:
            return tf.maximum(value, living + MARGIN)
        if where is None or not self._bound:
            where = 0.0
        where = tf.clip_by_value(where, -self._bound, self._bound)
        if self._kind == "log_d":
            return policy_cost(value + where, self._kind)
        # surely in a wrong place, it is no refuge either
        wrong = tf.nn.relu(tf.tanh(where / 2.0))
        return tf.nn.relu(value + where) + wrong * living
