"""Standardisation: the floor, the clipping, and running moments by brute force."""

import numpy as np
import pytest

from mgail_tf.data.normaliser import RunningMoments, fit
from mgail_tf.errors import BadInput


def test_normalisers_floor_keeps_constant_components_from_blowing_up(rng):
    states = rng.normal(size=(200, 3)) * [1.0, 1e-5, 0.0] + [0.0, 2.0, 7.0]
    normaliser = fit(states, 0.01, 5.0)
    np.testing.assert_allclose(normaliser.mean, states.mean(0), rtol=1e-12)
    np.testing.assert_allclose(normaliser.std, [states[:, 0].std(), 0.01, 0.01], rtol=1e-12)
    seen = normaliser(np.array([[0.3, 2.02, 7.01], [1e9, 3.0, -7.0]]))
    centred = ([0.3, 2.02, 7.01] - states.mean(0)) / [states[:, 0].std(), 0.01, 0.01]
    np.testing.assert_allclose(seen[0], centred, rtol=1e-5)
    np.testing.assert_array_equal(seen[1], [5.0, 5.0, -5.0])
    assert seen.dtype == np.float32


def test_only_the_first_components_are_seen(rng):
    states = rng.normal(size=(4, 50, 3))
    whole, part = fit(states[0], 0.01, 5.0), fit(states[0], 0.01, 5.0, components=2)
    np.testing.assert_array_equal(part(states), whole(states)[..., :2])
    with pytest.raises(BadInput, match="observation_components"):
        fit(states[0], 0.01, 5.0, components=4)


def test_running_moments_are_those_of_all_rows(rng):
    rows = rng.normal([0.0, 1e4, -3.0], [1.0, 0.5, 20.0], (500, 3))
    moments = RunningMoments(3)
    for part in np.split(rows, [1, 3, 10, 200, 201]):
        moments.add(part)
    assert moments.count == 500
    np.testing.assert_allclose(moments.mean, rows.mean(0), rtol=1e-12)
    np.testing.assert_allclose(moments.squares / 500, rows.var(0), rtol=1e-9)
    normaliser = moments.normaliser(0.7, 2.0)
    np.testing.assert_allclose(normaliser.std, [rows.std(0)[0], 0.7, rows.std(0)[2]], rtol=1e-9)
    by_hand = np.clip((rows - rows.mean(0)) / [rows.std(0)[0], 0.7, rows.std(0)[2]], -2, 2)
    np.testing.assert_allclose(normaliser(rows), by_hand, atol=1e-6)
    assert normaliser(rows).dtype == np.float32


def test_normaliser_and_state_of_running_moments_do_not_follow_them(rng):
    moments, other = RunningMoments(2), RunningMoments(2)
    moments.add(rng.normal(size=(10, 2)))
    normaliser, saved = moments.normaliser(1e-3, 5.0), moments.state_dict()
    mean, std, squares = (x.copy() for x in (*normaliser[:2], saved["squares"]))
    other.load_state_dict(saved)
    moments.add(rng.normal(5.0, 3.0, (10, 2)))
    np.testing.assert_array_equal(normaliser.mean, mean)
    np.testing.assert_array_equal(normaliser.std, std)
    np.testing.assert_array_equal(other.squares, squares)
