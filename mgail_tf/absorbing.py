"""What the time after a task's end costs, judged by how the demonstrations end.

An ended task stays in an absorbing state for ever (Kostrikov et al. 2019). Of an episode that ends
itself after L steps, a share gamma^L of the discounted time is spent there, of one that a time
limit cuts, none is known of. Where most demonstrations end themselves, the end is part of what the
expert shows: the absorbing state is judged like any other, by D = agent's share / (agent's +
expert's share). Where most are cut off, ending is failure, and costs the most;
so it does where the settings say it (`end`), as on Walker2d, whose second expert mostly falls.

What the policy pays for that D is its cost, but for -log(1 - D): that one is positive however
rarely the agent ends, as if it should not, so log D - log(1 - D) stands for it as far as it is
positive. The end is then free until it comes sooner than the expert's. Found: on Acrobot -85 so
and -107 with -log(1 - D), all else equal (one seed; on MountainCar it made no difference).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mgail_tf.checkpoint import Resumable
from mgail_tf.types import Episode

_EPISODES = 10  # of the agent's, the last ones
_SMALLEST = 1e-3  # added to both shares: the ratio of two that are hardly there says nothing


class Ends(NamedTuple):
    """How whole episodes ended."""

    lengths: np.ndarray  # [E] steps
    terminated: np.ndarray  # [E] the task ended, as against a time limit

    def share(self, gamma: float) -> float:
        """Return the mean share of discounted time after the end."""
        return float(np.mean(self.terminated * gamma**self.lengths))


def ends_of(episodes: Sequence[Episode]) -> Ends:
    """Return how whole episodes ended."""
    lengths = [len(e.actions) for e in episodes]
    return Ends(np.array(lengths), np.array([e.terminated for e in episodes]))


class EndCost(Resumable):
    """The cost per imagined step after the end."""

    _plain = ("_lengths", "_terminated", "_open")

    def __init__(self, expert: Ends | None, cost: str, gamma: float, most: float):
        """Remember how the demonstrations end; None, or mostly cut off: `value` is `most`.

        Args:
            cost: the policy's, as in `objectives.policy_cost`.
        """
        self._cost, self._gamma, self._most = cost, gamma, most
        success = expert is not None and np.mean(expert.terminated) > 0.5
        self._share = expert.share(gamma) if expert is not None and success else None
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
        """Return the cost at D = agent's share / (agent's + expert's share), at most `most`."""
        if self._share is None:
            return self._most
        ended = Ends(np.array(self._lengths), np.array(self._terminated))
        agent = ended.share(self._gamma) if self._lengths else 0.0
        ratio = (agent + _SMALLEST) / (self._share + _SMALLEST)
        costs = {
            "neg_log_expert": max(0.0, np.log(ratio)),
            "log_d": -np.log1p(1.0 / ratio),
            "logit": np.log(ratio),
        }
        return min(self._most, float(costs[self._cost]))
