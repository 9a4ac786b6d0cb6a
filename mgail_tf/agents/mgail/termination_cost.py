"""What the time after a termination costs, judged by how the demonstrations end.

A terminated task stays in an absorbing state for ever (Kostrikov et al. 2019). Of an episode that
terminates after L steps, a share gamma^L of the discounted time is spent there; an episode that a
time limit cuts counts as 0. Where most demonstrations terminate, termination is part of what the
expert shows: the absorbing state is judged like any other, by D = agent's share / (agent's +
expert's share). Where most are cut off, termination is failure and costs `FAILURE`.

What the policy pays for that D is its cost, with one exception. -log(1 - D) is positive however
rarely the agent terminates, as if it should not, so log D - log(1 - D) stands for it as far as it
is positive: termination is then free until it comes sooner than the expert's.
"""

from typing import NamedTuple

import numpy as np

from mgail_tf.checkpoint import Resumable
from mgail_tf.data.demonstrations import Demonstrations
from mgail_tf.types import Episode

FAILURE = 4.0  # cost per step after a termination that is a failure: D = 0.98
_EPISODES = 10  # of the agent's, the last ones
_SMALLEST = 1e-3  # added to both shares: the ratio of two that are hardly there says nothing


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
    """The cost per imagined step after a termination."""

    _plain = ("_lengths", "_terminated", "_open")

    def __init__(self, shown: Terminations, cost: str, gamma: float, fixed: float | None):
        """Remember how the demonstrations end.

        Args:
            cost: the policy's, as in `networks.discriminator.policy_cost`.
            fixed: the cost, whatever is demonstrated; None: judged as the module says.
        """
        self._cost, self._gamma = cost, gamma
        self._most = FAILURE if fixed is None else fixed
        judged = fixed is None and np.mean(shown.terminated) > 0.5
        self._share = shown.share(gamma) if judged else None
        self._lengths: list[int] = []
        self._terminated: list[bool] = []
        self._open = 0  # steps so far of the episode that is going on

    def add(self, episode: Episode) -> None:
        """Take in an agent's episode, or a part of one."""
        self._open = len(episode.actions) + (self._open if episode.continued else 0)
        if episode.terminated or episode.truncated:
            self._lengths = [*self._lengths, self._open][-_EPISODES:]
            self._terminated = [*self._terminated, episode.terminated][-_EPISODES:]

    def value(self) -> float:
        """Return the cost at D = agent's share / (agent's + expert's share)."""
        if self._share is None:
            return self._most
        ended = Terminations(np.array(self._lengths), np.array(self._terminated))
        agent = ended.share(self._gamma) if self._lengths else 0.0
        ratio = (agent + _SMALLEST) / (self._share + _SMALLEST)
        costs = {"neg_log_expert": max(0.0, np.log(ratio)), "log_d": -np.log1p(1.0 / ratio)}
        return min(self._most, float(costs[self._cost]))
