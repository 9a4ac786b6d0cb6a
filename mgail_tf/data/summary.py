"""What demonstrations hold, as numbers and as a text for people."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from mgail_tf.data.normaliser import spread
from mgail_tf.data.predictability import FORESEEN, foreseen
from mgail_tf.types import Spec

if TYPE_CHECKING:
    from mgail_tf.data.demonstrations import Demonstrations

_ROWS = 24  # components of which the text has a line each
_STEPS = 50_000  # of which noise is judged


@dataclasses.dataclass(frozen=True)
class Summary:
    """What demonstrations hold. `str()` is a text of many lines, `short()` of a few.

    Attributes:
        source, env_id: as the demonstrations have them.
        episodes, steps: how many there are.
        pairs: how many of the steps are learnt from.
        every: one pair in so many of each episode is learnt from.
        lengths: steps of each episode, [E].
        terminated: whether the task ended there, [E].
        ends_recorded: see `Demonstrations`.
        returns: of each episode, [E]; None where rewards are unknown.
        states: smallest and largest value, mean and standard deviation of each component, [4, S].
        actions: the same of actions, [4, A]; None where they are discrete.
        counts: how often each discrete action is taken, by its number; None where continuous.
        outside: share of action components outside the environment's bounds; None if it is unknown.
        constant: indices of the state components that never vary.
        noisy: indices of those that vary, and that a linear model of the demonstrated steps does
            not foresee.
    """

    source: str
    env_id: str
    episodes: int
    steps: int
    pairs: int
    every: int
    lengths: np.ndarray
    terminated: np.ndarray
    ends_recorded: bool
    returns: np.ndarray | None
    states: np.ndarray
    actions: np.ndarray | None
    counts: dict[int, int] | None
    outside: float | None
    constant: np.ndarray
    noisy: np.ndarray

    @property
    def state_size(self) -> int:
        """The number of a state's components, S."""
        return self.states.shape[1]

    def short(self) -> str:
        """Return a text of at most five lines."""
        lines = [self._title(), *self._episodes()]
        left = [f"{len(self.constant)} constant"] if len(self.constant) else []
        left += [f"{len(self.noisy)} like noise"] if len(self.noisy) else []
        text = f"{self.state_size} components" + (f", {', '.join(left)}" if left else "")
        lines.append(f"states   {text}; actions {self._actions()}")
        return "\n".join(lines)

    def __str__(self) -> str:
        """Return a text of many lines."""
        lines = [self._title(), *self._episodes()]
        lines += [f"actions  {self._actions()}"]
        lines += [] if self.actions is None else _table("action", self.actions, {})
        remarks = dict.fromkeys(self.constant.tolist(), "constant")
        remarks |= dict.fromkeys(self.noisy.tolist(), "like noise: not foreseen by a linear model")
        lines += [f"states   {self.state_size} components", *_table("state", self.states, remarks)]
        return "\n".join(lines)

    def _title(self) -> str:
        env = self.env_id or "an environment that is not named"
        source = f" ({self.source})" if self.source != "demonstrations" else ""
        return f"demonstrations of {env}{source}"

    def _episodes(self) -> list[str]:
        """Return lines on episodes, steps and returns."""
        ended = int(self.terminated.sum())
        ends = f"{ended} terminated" if ended else ""
        ends += " (in states that are not recorded)" if ended and not self.ends_recorded else ""
        cut = f"{self.episodes - ended} cut off" if ended < self.episodes else ""
        every = f", one in {self.every}" if self.every > 1 else ""
        low, mean, high = (f(self.lengths) for f in (np.min, np.mean, np.max))
        returns = "unknown: no rewards are recorded"
        if self.returns is not None:
            worst, best = self.returns.min(), self.returns.max()
            returns = f"mean {self.returns.mean():.4g}, from {worst:.4g} to {best:.4g}"
        return [
            f"episodes {self.episodes}: {', '.join(x for x in (ends, cut) if x)}",
            f"steps    {self.steps}, {mean:.0f} an episode, from {low} to {high}; "
            f"{self.pairs} pairs are learnt from{every}",
            f"returns  {returns}",
        ]

    def _actions(self) -> str:
        if self.counts is not None:
            shares = ", ".join(
                f"{action}: {100 * count / self.steps:.0f} %"
                for action, count in list(self.counts.items())[:_ROWS]
            )
            return f"discrete, {shares}"
        size = 0 if self.actions is None else self.actions.shape[1]
        text = f"{size} component{'s' * (size != 1)}"
        if self.outside is None:
            return text
        return f"{text}, {100 * self.outside:.2g} % of the values outside the bounds"


def _table(name: str, columns: np.ndarray, remarks: dict[int, str]) -> list[str]:
    """Return a line for each of the first components: range, mean, spread and remark."""
    lines = [f"  {name:>6}{'least':>11}{'largest':>11}{'mean':>11}{'std':>11}"]
    for i, row in enumerate(columns.T[:_ROWS]):
        numbers = "".join(f"{x:11.4g}" for x in row)
        lines.append(f"  {i:6}{numbers}  {remarks.get(i, '')}".rstrip())
    more = columns.shape[1] - _ROWS
    if more > 0:
        counts = [
            f"{[*remarks.values()].count(text)} {text}" for text in dict.fromkeys(remarks.values())
        ]
        lines.append(f"  and {more} more" + (f" (in all {', '.join(counts)})" if counts else ""))
    return lines


def summarise(demonstrations: "Demonstrations", spec: Spec | None) -> Summary:
    """Return the summary of demonstrations, which fit the environment if its spec is given."""
    actions, returns = demonstrations.actions, demonstrations.returns()
    discrete = actions.ndim == 1
    counts = None
    if discrete:
        numbers, taken = np.unique(actions, return_counts=True)
        counts = dict(zip(numbers.tolist(), taken.tolist(), strict=True))
    outside = None
    if spec is not None and not discrete:
        bounded = np.clip(actions, spec.action_low, spec.action_high)
        outside = float(np.mean(np.abs(bounded - actions) > 1e-6))
    varies = spread(demonstrations.states) > 0.0
    return Summary(
        source=demonstrations.source,
        env_id=demonstrations.env_id,
        episodes=len(demonstrations),
        steps=len(actions),
        pairs=demonstrations.count_pairs(),
        every=demonstrations.every,
        lengths=demonstrations.lengths,
        terminated=demonstrations.terminated,
        ends_recorded=demonstrations.ends_recorded,
        returns=None if np.isnan(returns).any() else returns,
        states=_moments(demonstrations.states),
        actions=None if discrete else _moments(actions),
        counts=counts,
        outside=outside,
        constant=np.flatnonzero(~varies),
        noisy=np.flatnonzero(varies & (predictable(demonstrations) <= FORESEEN)),
    )


def predictable(demonstrations: "Demonstrations") -> np.ndarray:
    """Return the share of variance [S] that a linear model of the demonstrated steps foresees.

    1 where there are too few steps to tell.
    """
    states, actions, next_states = demonstrations.transitions()
    if len(states) < 4 * (states.shape[1] + 1):
        return np.ones(states.shape[1])
    some = slice(None, None, -(-len(states) // _STEPS))
    return foreseen(states[some], _scaled(actions[some]), next_states[some])


def _scaled(actions: np.ndarray) -> np.ndarray:
    """Return actions as a linear model takes them: one-hot, or divided by their spread."""
    if actions.ndim == 1:
        return (actions[:, None] == np.unique(actions)).astype(np.float64)
    std = spread(actions)
    return (actions - actions.mean(0)) / np.where(std > 0.0, std, 1.0)


def _moments(rows: np.ndarray) -> np.ndarray:
    """Return the smallest and largest value, the mean and the standard deviation, [4, C]."""
    rows = np.asarray(rows, np.float64)
    return np.stack([rows.min(0), rows.max(0), rows.mean(0), rows.std(0)])
