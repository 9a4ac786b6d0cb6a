"""Which of a run's policies is kept: the newest of those that match the demonstrations best."""

import math

import numpy as np
import pytest

from mgail_tf.agents.mgail.safeguard import ASTRAY, Safeguard
from mgail_tf.agents.mgail.termination_cost import Terminations
from mgail_tf.data.normaliser import fit
from mgail_tf.types import Episode, StateActions

TOLERANCE = 0.05


def _pairs(rng, shift=0.0, count=200):
    return StateActions(
        np.float32(rng.standard_normal((count, 3)) + shift),
        np.float32(rng.standard_normal((count, 1))),
    )


def _guard(rng, length=100, terminated=False, ends=None):
    shown = Terminations(np.array([length, length]), np.array([terminated] * 2))
    normaliser = fit(np.float32([[-1.0] * 3, [1.0] * 3]), None, 5.0)  # changes nothing
    return Safeguard(shown, _pairs(rng), ends, normaliser, TOLERANCE)


def _episode(steps, terminated=False, truncated=True, continued=False, end=0.0):
    states, actions = np.zeros((steps + 1, 3), np.float32), np.zeros((steps, 1), np.float32)
    states[-1] = end
    rewards = np.zeros(steps)
    return Episode(states, actions, actions, rewards, terminated, truncated, continued)


def _judged(guard, rng, name, shift=0.0, steps=100, terminated=False, end=0.0):
    """Let two episodes be judged; the name stands for the weights."""
    for _ in range(2):
        guard.add(_episode(steps, terminated, not terminated, end=end))
    return guard.judge(_pairs(rng, shift, 2 * steps), [np.array(name)])


def test_the_newest_of_those_that_match_best_is_kept(rng):
    guard = _guard(rng)
    assert guard.kept == [] and math.isnan(guard.last)
    assert not _judged(guard, rng, "far", shift=3.0)
    assert guard.kept == ["far"]
    assert not _judged(guard, rng, "near", shift=0.3)
    assert guard.kept == ["near"]
    assert not _judged(guard, rng, "as near", shift=0.3)
    assert guard.kept == ["as near"]
    before = guard.last
    astray = _judged(guard, rng, "far again", shift=3.0)
    assert guard.kept == ["as near"]
    assert astray == (guard.last > before + ASTRAY)
    assert astray


def test_falling_sooner_is_as_bad_as_other_states(rng):
    guard = _guard(rng)
    assert not _judged(guard, rng, "whole")
    assert _judged(guard, rng, "falls", steps=50, terminated=True)
    assert guard.kept == ["whole"]
    # half as long, all terminated; the same states and actions
    assert guard.last == pytest.approx((0.5 + 1.0) / 4, abs=0.1)


def test_where_episodes_end_counts_where_it_is_shown(rng):
    shown_ends = np.float32([[2.0] * 3, [2.1] * 3])
    guard = _guard(rng, terminated=True, ends=shown_ends)
    assert not _judged(guard, rng, "goal", terminated=True, end=2.0)
    near = guard.last
    _judged(guard, rng, "crash", terminated=True, end=-1.0)
    assert guard.kept == ["goal"] and guard.last > near + 0.1
    blind = _guard(np.random.default_rng(0), terminated=True)
    _judged(blind, rng, "goal", terminated=True, end=2.0)
    _judged(blind, rng, "crash", terminated=True, end=-1.0)
    assert blind.kept == ["crash"]


def test_an_episode_in_parts_counts_once_and_is_as_long_as_all_of_them(rng):
    guard = _guard(rng)
    guard.add(_episode(60, truncated=False))
    guard.add(_episode(40, continued=True))
    guard.judge(_pairs(rng, 0.0, 100), [np.array("whole")])
    whole = guard.last
    other = _guard(np.random.default_rng(0))
    other.add(_episode(40))
    other.judge(_pairs(rng, 0.0, 40), [np.array("part")])
    assert whole < 0.1 < other.last


def test_nothing_is_concluded_before_an_episode_ends(rng):
    guard = _guard(rng)
    guard.add(_episode(100, truncated=False))
    assert not guard.judge(_pairs(rng, 9.0, 100), [np.array("open")])
    assert guard.kept == [] and math.isnan(guard.last)
    guard.add(_episode(10, truncated=True, continued=True))
    guard.add(_episode(30, truncated=False))
    assert not guard.judge(_pairs(rng, 0.0, 20), [np.array("ended earlier")])
    assert guard.kept == []


def test_it_is_resumed(rng):
    guard = _guard(rng)
    _judged(guard, rng, "kept")
    guard.add(_episode(50, truncated=False))
    other = _guard(rng)
    other.load_state_dict(guard.state_dict())
    assert other.kept == ["kept"] and other.last == guard.last
    recent = _pairs(rng, 0.0, 60)
    for each in (guard, other):
        each.add(_episode(50, continued=True))
        each.judge(recent, [np.array("next")])
    assert (other.last, other._ended) == (guard.last, guard._ended)
    assert other.kept == guard.kept
