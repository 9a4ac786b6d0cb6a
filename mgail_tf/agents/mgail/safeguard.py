"""Which of a run's policies behaved most as the demonstrations do; no reward is looked at.

Discriminator and value can lead a good policy astray, and a longer run then ends worse than a
shorter one. Training episodes are therefore compared with the demonstrations, as `policies.match`
compares: that costs no further step.
"""

import math

import numpy as np

from mgail_tf.agents.mgail.termination_cost import Terminations
from mgail_tf.checkpoint import Resumable
from mgail_tf.policies.match import combined, kernel_distance, spaced
from mgail_tf.types import Episode, StateActions

JUDGEMENTS = 20  # of a run
WINDOW = 0.1  # of the run: the steps that are judged
ASTRAY = 5.0  # tolerances from the smallest distance


class Safeguard(Resumable):
    """Keeps the newest weights whose episodes are nearly as near as the nearest.

    Attributes:
        kept: those weights; empty before episodes have been judged.
        last: the last distance that was judged; NaN before there is one.
    """

    _plain = ("kept", "last", "_steps", "_ended", "_open", "_smallest")

    def __init__(self, shown: Terminations, expert: StateActions, tolerance: float):
        """Remember what is demonstrated.

        Args:
            shown: how the demonstrations end.
            expert: the standardised pairs that are learnt from, [M, S] and [M, A].
            tolerance: of distances, which are between 0 and 1.25.
        """
        self._length = float(shown.lengths.mean())
        self._terminated = float(shown.terminated.mean())
        rows = spaced(len(expert.states))
        self._expert = StateActions(expert.states[rows], expert.actions[rows])
        self._tolerance = tolerance
        self.kept: list[np.ndarray] = []
        self.last = self._smallest = math.nan
        self._steps = 0  # in all
        self._ended: list[list[int]] = []  # step of the end, length, whether it terminated
        self._open = 0  # steps so far of the episode that is going on

    def add(self, episode: Episode) -> None:
        """Take in an agent's episode, or a part of one."""
        self._steps += len(episode.actions)
        self._open = len(episode.actions) + (self._open if episode.continued else 0)
        if episode.terminated or episode.truncated:
            ended = [self._steps, self._open, int(episode.terminated)]
            self._ended = [*self._ended, ended]

    def judge(self, recent: StateActions, weights: list[np.ndarray]) -> bool:
        """Compare recent steps with the demonstrations, and keep weights if they are near enough.

        Nothing is concluded where no episode ended within these steps.

        Args:
            recent: the agent's last steps, standardised: [N, S] and [N, A].
            weights: of the policy.

        Returns:
            Whether the steps are so far off that the policy has gone astray.
        """
        begin = self._steps - len(recent.states)
        self._ended = [ended for ended in self._ended if ended[0] > begin]
        if not self._ended:
            return False
        _, length, terminated = np.mean(self._ended, 0)
        rows = spaced(len(recent.states))
        recent = StateActions(recent.states[rows], recent.actions[rows])
        self.last = combined(
            (
                kernel_distance(recent.states, self._expert.states),
                kernel_distance(np.concatenate(recent, 1), np.concatenate(self._expert, 1)),
            ),
            (float(length), self._length),
            (float(terminated), self._terminated),
        )
        self._smallest = float(np.fmin(self._smallest, self.last))
        if self.last <= self._smallest + self._tolerance:
            self.kept = list(weights)
        return self.last > self._smallest + ASTRAY * self._tolerance
