"""Which of a run's policies behaved most as the demonstrations do; no reward is looked at.

Discriminator and value can lead a good policy astray, and a longer run then ends worse than a
shorter one. Training episodes are therefore compared with the demonstrations, as `policies.match`
compares: that costs no further step.
"""

import math

import numpy as np

from mgail_tf.agents.mgail.termination_cost import Terminations
from mgail_tf.checkpoint import Resumable
from mgail_tf.data.normaliser import Normaliser
from mgail_tf.policies.match import combined, kernel_distance, spaced
from mgail_tf.types import Episode, StateActions

JUDGEMENTS = 20  # of a run
WINDOW = 0.1  # of the run: the steps that are judged
ASTRAY = 0.15  # from the smallest distance


class Safeguard(Resumable):
    """Keeps the newest weights whose episodes are nearly as near as the nearest.

    Attributes:
        kept: those weights, of the clone or of the policy; empty before episodes have been judged.
        own: the newest of the policy that are nearly as near as the policy's nearest.
        last: the last distance that was judged; NaN before there is one.
    """

    _plain = (
        "kept",
        "own",
        "last",
        "_steps",
        "_ended",
        "_ends",
        "_open",
        "_nearest",
        "_own_nearest",
    )

    def __init__(
        self,
        shown: Terminations,
        expert: StateActions,
        ends: np.ndarray | None,
        normaliser: Normaliser,
        tolerance: float,
    ):
        """Remember what is demonstrated.

        Args:
            shown: how the demonstrations end.
            expert: the standardised pairs that are learnt from, [M, S] and [M, A].
            ends: standardised states [E, S] in which they terminate; None: they are not compared.
            normaliser: of the agent's states.
            tolerance: of distances, which are between 0 and 1.25.
        """
        self._length = float(shown.lengths.mean())
        self._terminated = float(shown.terminated.mean())
        rows = spaced(len(expert.states))
        self._expert = StateActions(expert.states[rows], expert.actions[rows])
        self._expert_ends, self._normaliser, self._tolerance = ends, normaliser, tolerance
        self.kept: list[np.ndarray] = []
        self.own: list[np.ndarray] = []
        self.last = self._nearest = self._own_nearest = math.nan
        self._steps = 0  # in all
        self._ended: list[list[int]] = []  # step of the end, length, whether it terminated
        self._ends: list[np.ndarray] = []  # the states then
        self._open = 0  # steps so far of the episode that is going on

    def add(self, episode: Episode) -> None:
        """Take in an agent's episode, or a part of one."""
        self._steps += len(episode.actions)
        self._open = len(episode.actions) + (self._open if episode.continued else 0)
        if episode.terminated or episode.truncated:
            ended = [self._steps, self._open, int(episode.terminated)]
            self._ended = [*self._ended, ended]
            self._ends = [*self._ends, episode.states[-1]]

    def judge_clone(self, recent: StateActions, weights: list[np.ndarray]) -> None:
        """Compare steps of a clone with the demonstrations, and keep it until a policy is as near.

        Args:
            recent: the clone's steps, standardised: [N, S] and [N, A].
            weights: of the clone.
        """
        if self._compare(recent):
            self._keep(weights)

    def judge(self, recent: StateActions, weights: list[np.ndarray]) -> bool:
        """Compare recent steps with the demonstrations, and keep weights if they are near enough.

        Nothing is concluded where no episode ended within these steps.

        Args:
            recent: the policy's last steps, standardised: [N, S] and [N, A].
            weights: of the policy.

        Returns:
            Whether the steps are so far off that the policy has gone astray.
        """
        if not self._compare(recent):
            return False
        self._keep(weights)
        self._own_nearest = float(np.fmin(self._own_nearest, self.last))
        if self.last <= self._own_nearest + self._tolerance:
            self.own = list(weights)
        return self.last > self._own_nearest + ASTRAY

    def _keep(self, weights: list[np.ndarray]) -> None:
        """Keep weights if the last distance is near enough to the smallest."""
        self._nearest = float(np.fmin(self._nearest, self.last))
        if self.last <= self._nearest + self._tolerance:
            self.kept = list(weights)

    def _compare(self, recent: StateActions) -> bool:
        """Set `last` to the distance of recent steps; return whether an episode ended in them."""
        begin = self._steps - len(recent.states)
        first = sum(end <= begin for end, _, _ in self._ended)
        self._ended, self._ends = self._ended[first:], self._ends[first:]
        if not self._ended:
            return False
        rows = spaced(len(recent.states))
        recent = StateActions(recent.states[rows], recent.actions[rows])
        found = [
            kernel_distance(recent.states, self._expert.states),
            kernel_distance(np.concatenate(recent, 1), np.concatenate(self._expert, 1)),
        ]
        _, lengths, terminated = np.transpose(self._ended)
        ends = np.array(self._ends)[terminated == 1]
        if self._expert_ends is not None and min(len(ends), len(self._expert_ends)) > 1:
            among = self._expert.states
            found.append(kernel_distance(self._normaliser(ends), self._expert_ends, among))
        self.last = combined(
            found,
            (float(lengths.mean()), self._length),
            (float(terminated.mean()), self._terminated),
        )
        return True
