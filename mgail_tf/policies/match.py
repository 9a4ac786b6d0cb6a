"""How well a policy's behaviour matches demonstrations, where no reward says it.

Everything is measured between whole episodes of the policy and demonstrated ones, best such as
training has not seen. scikit-learn is imported when it is first needed.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from mgail_tf.data.demonstrations import Demonstrations, fitting
from mgail_tf.data.normaliser import fit
from mgail_tf.envs.evaluation import EVALUATION_SEED, Mode, evaluate
from mgail_tf.envs.gym_env import EnvLike, apart_from, make
from mgail_tf.envs.rollout import Policy, SteppedPolicy
from mgail_tf.errors import BadInput
from mgail_tf.types import Episode, Spec

MOST_PAIRS = 1000  # of each side: evenly spaced ones of more
_FOLDS = 5
_CLIP = 5.0  # standard deviations of the demonstrated states and actions


class Match(NamedTuple):
    """Distances between a policy's behaviour and demonstrated behaviour: 0 is the same."""

    state_distance: float
    """Kernel two-sample distance between visited and demonstrated states, in [0, 1.5]: the square
    root of the unbiased MMD^2 (Gretton et al. 2012, Eq. 3), 0 where that is negative."""
    pair_distance: float
    """The same of state-action pairs."""
    classifier_accuracy: float
    """Balanced accuracy in [0.5, 1] of a classifier of pairs, on episodes that it has not seen:
    0.5 where it cannot tell them apart (or errs more often), 1 where it always can."""
    length_mean: float
    """Steps of the policy's episodes."""
    shown_length_mean: float
    """Steps of the demonstrated ones."""
    terminated: float
    """Share of the policy's episodes that ended by themselves, not at a time limit."""
    shown_terminated: float
    """Share of the demonstrated ones."""

    @property
    def distance(self) -> float:
        """One number to choose a policy by; the smaller, the better the match.

        The mean of both distances and of the differences in length and in ends, each in [0, 1]: a
        policy that falls early may visit nothing but demonstrated states.
        """
        return combined(
            (self.state_distance, self.pair_distance),
            (self.length_mean, self.shown_length_mean),
            (self.terminated, self.shown_terminated),
        )

    def __str__(self) -> str:
        """Return one line for a person."""
        return (
            f"distance {self.distance:.3f} (states {self.state_distance:.3f}, pairs "
            f"{self.pair_distance:.3f}), told apart in {100 * self.classifier_accuracy:.0f} % "
            f"(50 is chance), {self.length_mean:.0f} steps (shown {self.shown_length_mean:.0f}), "
            f"{100 * self.terminated:.0f} % terminated (shown {100 * self.shown_terminated:.0f} %)"
        )


def combined(
    kernel: Sequence[float], lengths: tuple[float, float], terminated: tuple[float, float]
) -> float:
    """Return the mean of kernel distances and of the differences in length and in ends.

    Args:
        kernel: of states, of pairs, and what else is compared.
        lengths: mean steps of the policy's episodes and of the demonstrated ones.
        terminated: shares of either that ended by themselves.
    """
    length = abs(lengths[0] - lengths[1]) / max(lengths)
    return float(np.mean([*kernel, length, abs(terminated[0] - terminated[1])]))


def match(
    policy: Policy | SteppedPolicy,
    env: EnvLike,
    demonstrations: Demonstrations,
    episodes: int = 20,
    seed: int = EVALUATION_SEED,
    mode: Mode = "deterministic",
) -> Match:
    """Run whole episodes of a policy and compare them with demonstrations; no reward is used.

    Args:
        policy: an agent's `policy`, or anything with `act(state, rng)`, which returns a sample in
            [-1, 1] units, or one-hot where actions are discrete.
        demonstrations: whole episodes, best such as training has not seen; how they are
            sub-sampled plays no part.
        seed: of the environment and of what is sampled.
        mode: "deterministic" or "stochastic".

    Raises:
        BadInput: the demonstrations do not fit the environment, or it fails.
    """
    spec = make(apart_from(env), seed).spec
    shown = fitting(demonstrations, spec)
    rolled: list[Episode] = []
    evaluate(policy, env, episodes, seed, mode, seen=rolled.append)
    return compare(rolled, shown, spec)


def compare(rolled: Sequence[Episode], shown: Demonstrations, spec: Spec) -> Match:
    """Return the match of episodes that a policy has run with demonstrations that fit `spec`.

    Raises:
        BadInput: there is no episode.
    """
    if not rolled:
        raise BadInput("match: found no episode of the policy, expected one or more")
    own = [
        (e.states[:-1], e.actions if spec.discrete else spec.scale_actions(e.actions))
        for e in rolled
    ]
    theirs = shown.episodes(spec)
    (states, pairs, groups), (shown_states, shown_pairs, shown_groups) = (
        _arrays(own),
        _arrays(theirs),
    )
    return Match(
        kernel_distance(states, shown_states),
        kernel_distance(pairs, shown_pairs),
        _accuracy(pairs, groups, shown_pairs, shown_groups),
        float(np.mean([len(e.actions) for e in rolled])),
        float(shown.lengths.mean()),
        float(np.mean([e.terminated for e in rolled])),
        float(shown.terminated.mean()),
    )


def _arrays(episodes: Sequence[tuple[Any, Any]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return states [N, S], pairs [N, S+A] and the number of each one's episode [N]."""
    states = np.concatenate([s for s, _ in episodes]).astype(np.float64)
    actions = np.concatenate([a for _, a in episodes]).astype(np.float64)
    groups = np.repeat(np.arange(len(episodes)), [len(s) for s, _ in episodes])
    kept = spaced(len(states))
    states, actions, groups = states[kept], actions[kept], groups[kept]
    return states, np.concatenate([states, actions], 1), groups


def spaced(count: int) -> np.ndarray:
    """Return the indices of so many rows, or of `MOST_PAIRS` evenly spaced ones if that is less."""
    return np.linspace(0, count - 1, min(count, MOST_PAIRS)).round().astype(int)


def kernel_distance(found: np.ndarray, shown: np.ndarray, among: np.ndarray | None = None) -> float:
    """Return the root of the unbiased MMD^2 of rows [N, K] and [M, K]; 0 where that is negative.

    The kernel is Gaussian; its width is the median distance of the rows `among`, which also
    standardise.

    Args:
        among: None: those shown.
    """
    among = shown if among is None else among
    normaliser = fit(among, None, _CLIP)
    x, y, z = normaliser(found), normaliser(shown), normaliser(among)
    between = cdist(z, z, "sqeuclidean")
    width = np.median(between[~np.eye(len(z), dtype=bool)]) if len(z) > 1 else 1.0
    width = max(width, np.finfo(np.float32).tiny)

    def mean_kernel(a: np.ndarray, b: np.ndarray, same: bool) -> float:
        kernel = np.exp(-cdist(a, b, "sqeuclidean") / width)
        if same and len(a) > 1:  # unbiased: without each row's kernel with itself
            return float((kernel.sum() - len(a)) / (len(a) * (len(a) - 1)))
        return float(kernel.mean())

    squared = mean_kernel(x, x, True) + mean_kernel(y, y, True) - 2.0 * mean_kernel(x, y, False)
    return float(np.sqrt(max(squared, 0.0)))


def _accuracy(
    pairs: np.ndarray, groups: np.ndarray, shown: np.ndarray, shown_groups: np.ndarray
) -> float:
    """Return the cross-validated balanced accuracy of a support vector classifier.

    Folds are made of whole episodes; one episode alone is cut into stretches.
    """
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.svm import SVC

    normaliser = fit(np.concatenate([pairs, shown]), None, _CLIP)
    x = np.concatenate([normaliser(pairs), normaliser(shown)])
    y = np.r_[np.zeros(len(pairs)), np.ones(len(shown))]
    folds = np.r_[_folds(groups), _folds(shown_groups)]
    guessed = np.zeros(len(y))
    for fold in range(_FOLDS):
        out = folds == fold
        if not out.any():
            continue
        if len(np.unique(y[~out])) < 2:  # too few rows to leave some out
            return float("nan")
        classifier = SVC(C=10.0, class_weight="balanced").fit(x[~out], y[~out])
        guessed[out] = classifier.predict(x[out])
    return max(0.5, float(balanced_accuracy_score(y, guessed)))


def _folds(groups: np.ndarray) -> np.ndarray:
    """Return the fold of each row: its episode's, or its stretch's where there is one episode."""
    if groups[0] != groups[-1]:
        return groups % _FOLDS
    return np.arange(len(groups)) * _FOLDS // len(groups)
