"""What MGAIL's settings follow from where they are not given.

That is the demonstrations, the first steps, the budget, and how well the discriminator does. The
first steps are those of random actions, with which a run fills its buffer (`prefill_steps`).
Every rule is scale-free: multiplying a component of the states changes nothing.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mgail_tf.data.demonstrations import Demonstrations
from mgail_tf.data.normaliser import spread
from mgail_tf.data.predictability import FORESEEN, foreseen, redundant
from mgail_tf.types import Episode, Spec

SMALLEST_SCALE = 0.1  # of the spread in the first steps, where pairs are not few
FEW_PAIRS = 4.0  # demonstrated pairs for each component of state and action
GENTLE_BELOW = 5.0  # of them: then the discriminator is gentle
POLICY_RATES = 3e-6, 3e-5, 3e-4  # of the policy on J
ACCURACIES = 0.7, 0.9, 0.95  # of the discriminator, where they are right
UPDATES = 60_000  # of a run
CHEAP = 100  # components up to which it makes so many
MOST_UPDATES = 1.0  # for each environment step
ALIKE = 0.5  # autocorrelation of states that are still alike
LOOK_AHEAD = 8  # times the time scale are imagined
HORIZONS = 16, 32  # least and most imagined steps
IMAGINED = 512  # imagined steps in an update
SPAN = 0.48  # T (1 - gamma): imagined costs are 0.38 of J; 0.2 to 0.3 where td_lambda is 0.95
MOST_GAMMA = 0.99
NOISE = 0.05, 0.15  # least and most of the first standard deviation, in [-1, 1] units


class Strength(NamedTuple):
    """How freely a discriminator may tell pairs apart, see `discriminator_loss`."""

    learning_rate: float
    penalty: float
    slope: float


class Steps(NamedTuple):
    """Steps of an environment."""

    states: np.ndarray  # [N, S]
    actions: np.ndarray  # [N, A] in [-1, 1] units or one-hot
    next_states: np.ndarray  # [N, S]


def steps_of(episodes: Sequence[Episode], spec: Spec) -> Steps:
    """Return the steps of episodes as they were recorded."""
    return Steps(
        np.concatenate([e.states[:-1] for e in episodes]),
        spec.scale_actions(np.concatenate([e.actions for e in episodes])),
        np.concatenate([e.states[1:] for e in episodes]),
    )


def are_few(samples: int, components: int) -> bool:
    """Return whether so many demonstrated samples are few for so many components."""
    return samples < FEW_PAIRS * components


def is_gentle(samples: int, components: int) -> bool:
    """Return whether the discriminator is gentle with so many samples of so many components."""
    return samples < GENTLE_BELOW * components


def discriminator_strength(samples: int, components: int) -> Strength:
    """Return the strength for so many demonstrated samples of so many components.

    Where samples are few a gentle one has slopes that lead somewhere; a sharp one only tells the
    agent's from the others.
    """
    if is_gentle(samples, components):
        return Strength(1e-4, 10.0, 0.3)
    return Strength(3e-4, 1.0, 1.0)


def policy_rate(accuracy: float, telling: bool) -> float:
    """Return the learning rate of the policy on J.

    A policy that the discriminator tells from the expert has far to go. One that it hardly does is
    near, or too fast for discriminator and value, whose slopes then lead away.

    Args:
        accuracy: share of the pairs that the discriminator has lately been right about.
        telling: few such pairs mean that the policy is near. They do not where the discriminator
            is gentle, or where episodes may be wrong in their ends alone: it is never the slowest
            then.
    """
    least = ACCURACIES[0] if telling else ACCURACIES[1]
    found = np.interp(max(accuracy, least), ACCURACIES, np.log(POLICY_RATES))
    return float(np.exp(found))


def time_scale(first: Sequence[Episode], components: np.ndarray | None) -> int:
    """Return after how many steps states are no longer alike.

    That is where their autocorrelation within an episode, averaged over the components, falls below
    a half: after one step where much happens in it, after ten where a swing takes sixty.

    Args:
        first: the first steps, whole episodes but for the last.
        components: indices of the components that networks see; None: all.
    """
    states = [e.states if components is None else e.states[:, components] for e in first]
    scale, longest = spread(np.concatenate(states)), max(len(each) for each in states)
    varies = scale > 0.0
    if not varies.any():
        return longest
    states = [each[:, varies] / scale[varies] for each in states]
    for lag in range(1, longest):
        changes = np.concatenate([each[lag:] - each[:-lag] for each in states if len(each) > lag])
        if 1.0 - 0.5 * np.mean(np.square(changes)) < ALIKE:
            return lag
    return longest


def horizon(scale: int) -> int:
    """Return T, how many steps are imagined, for a time scale in steps.

    What an action leads to shows after some of these scales, however many steps they take.
    """
    return int(np.clip(LOOK_AHEAD * scale, *HORIZONS))


def discount(steps: int, lengths: np.ndarray, mostly_terminate: bool) -> float:
    """Return the discount per step.

    A horizon holds the same share of J whatever its length: the more of J lies beyond it, the more
    depends on the value function's slopes. Where demonstrations show how to end, their end has to
    be seen from their beginning.

    Args:
        steps: T, the horizon.
        lengths: steps of the demonstrations [E].
        mostly_terminate: nearly all of them end by themselves, not at a time limit.
    """
    gamma = 1.0 - SPAN / steps
    if mostly_terminate:
        gamma = max(gamma, 1.0 - 1.0 / lengths.mean())
    return float(min(gamma, MOST_GAMMA))


def updates_per_step(env_steps: int, components: int) -> float:
    """Return how many updates of all networks a run of so many steps makes for each of them.

    An update of many components takes longer, so a run makes fewer of them.

    Args:
        components: of state and action, as the networks see them.
    """
    updates = UPDATES * min(1.0, CHEAP / components)
    return min(MOST_UPDATES, updates / env_steps)


def exploration(error: float, action_size: int) -> tuple[float, float]:
    """Return the logarithm of the standard deviation at the beginning and the end of a run.

    The discriminator tells noise from a precise expert's actions, however good the policy is.

    Args:
        error: mean squared distance of a cloned policy's actions from held-out ones.
    """
    first = float(np.clip(2.0 * np.sqrt(error / action_size), *NOISE))
    return math.log(first), math.log(first / 6.0)


def seen_components(shown: np.ndarray, first: Steps, demonstrated: Steps | None) -> np.ndarray:
    """Return the indices of the components that networks see.

    Left out is what demonstrations show as constant, and what a linear model does not foresee, such
    as contact forces: noise spoils the forward model, and tells the discriminator nothing. Of what
    never varies in the first steps, such as a flag that only the expert reaches, the demonstrated
    steps say whether it is noise. Then what a linear model has from the other components of the
    same state in the first steps, which only makes everything slower.

    Args:
        shown: demonstrated states [M, S].
        first: the first steps.
        demonstrated: None: pairs are left out, so that no step is whole, and nothing tells whether
            what never varies in the first steps is noise; it is left out then.

    Returns:
        Indices [s] in rising order. If none would be left, those that vary; if none does, all.
    """
    varies = spread(shown) > 0.0
    share = foreseen(*first)
    if demonstrated is not None:
        share = np.where(spread(first.states) == 0.0, foreseen(*demonstrated), share)
    seen = varies & (share > FORESEEN)
    seen[seen] = ~redundant(first.states[:, seen])
    return np.flatnonzero(seen if seen.any() else varies if varies.any() else ~varies)


def smallest_scales(states: np.ndarray, few: bool) -> np.ndarray:
    """Return the smallest standard deviation [S] by which components are divided.

    What hardly varies in the demonstrations varies in the first steps, and must not blow up.

    Args:
        states: the first steps' [N, S].
        few: there are few pairs, whose spread is not the task's.
    """
    share = 1.0 if few else SMALLEST_SCALE
    return np.maximum(share * spread(states), np.finfo(np.float32).tiny)


class Conclusions(NamedTuple):
    """What MGAIL concludes from demonstrations alone; `str()` is a text for people."""

    pairs: int  # that are learnt from
    components: int  # of state and action, as far as networks are expected to see them
    few: bool  # there are few pairs for so many components
    strength: Strength
    ends_judged: bool  # nearly all demonstrations terminate, and ends are judged by them
    ends_recorded: bool  # it is known in which states they do
    gammas: tuple[float, float]  # discount per step for the shortest horizon and the longest
    constant: np.ndarray  # indices of state components that no network sees
    noisy: np.ndarray  # indices of those that a run's first steps are likely to leave out

    def __str__(self) -> str:
        """Return the lines of a text."""
        rate, penalty, slope = self.strength
        enough = "few" if self.few else "enough"
        least, most = (1.0 / (1.0 - gamma) for gamma in self.gammas)
        ends = "a quarter of the episodes or more are cut off: ending a task counts as failure"
        if self.ends_judged:
            where = "by when and where they do" if self.ends_recorded else "by when they do"
            ends = f"more than three quarters of the episodes terminate: ends are judged {where}"
        lines = [
            f"ends           {ends}",
            f"pairs          {self.pairs} are {enough} for {self.components} components "
            f"(few: below {FEW_PAIRS * self.components:.0f})",
            f"discriminator  learning rate {rate:g}, gradient penalty {penalty:g} on {slope:g} "
            f"(other from {GENTLE_BELOW * self.components:.0f} pairs on)",
            f"looks ahead    {least:.0f} to {most:.0f} steps (discount {self.gammas[0]:.3g} to "
            f"{self.gammas[1]:.3g}), further where a run's first steps change its state slowly",
        ]
        if len(self.constant):
            lines.append(f"left out       {_listed(self.constant)}: constant in the demonstrations")
        if len(self.noisy):
            noisy = f"{_listed(self.noisy)}: likely, if they look like noise in its first steps too"
            lines.append(f"left out       {noisy}")
        return "\n".join(lines)


def conclusions(demonstrations: Demonstrations, spec: Spec) -> Conclusions:
    """Return what MGAIL's default settings follow from demonstrations.

    Which components are noise is decided by a run's first steps; the demonstrated steps stand for
    them here.

    Args:
        spec: of the environment that the demonstrations fit.

    Raises:
        BadInput: they do not fit.
    """
    summary = demonstrations.summary(spec)
    left = np.union1d(summary.constant, summary.noisy)
    if len(left) == spec.state_size:  # then what varies is seen, as by `seen_components`
        left = summary.constant if len(summary.constant) < spec.state_size else left[:0]
    components = spec.state_size - len(left) + spec.action_size
    ends = demonstrations.lengths, demonstrations.mostly_terminate
    return Conclusions(
        summary.pairs,
        components,
        are_few(summary.pairs, components),
        discriminator_strength(summary.pairs, components),
        demonstrations.mostly_terminate,
        demonstrations.ends_recorded,
        (discount(HORIZONS[0], *ends), discount(HORIZONS[1], *ends)),
        np.intersect1d(left, summary.constant),
        np.intersect1d(left, summary.noisy),
    )


def _listed(indices: np.ndarray) -> str:
    """Return "components 0, 2 to 5" of rising indices."""
    runs = np.split(indices, np.flatnonzero(np.diff(indices) > 1) + 1)
    named = [f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]
    return f"component{'s' * (len(indices) > 1)} {', '.join(named)}"
