"""Standardisation: the floor, the clipping, and running moments by brute force."""

import numpy as np

from mgail_tf.data.normaliser import RunningMoments, fit, spread


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


def test_only_some_components_are_seen(rng):
    states = rng.normal(size=(4, 50, 3))
    whole = fit(states[0], 0.01, 5.0)
    part = fit(states[0], 0.01, 5.0, components=np.array([0, 2]))
    np.testing.assert_array_equal(part(states), whole(states)[..., [0, 2]])


def test_without_a_floor_what_is_constant_is_not_seen(rng):
    states = rng.normal(size=(50, 3)) * [1e-9, 0.0, 1e9] + [0.0, 7.0, 0.0]
    normaliser = fit(states, None, 5.0)
    assert normaliser.components.tolist() == [0, 2]
    np.testing.assert_allclose(normaliser(states).std(0), 1.0, rtol=0.1)
    np.testing.assert_array_equal(fit(states[:, 1:2], None, 5.0)(states[:, 1:2]), 0.0)


def test_a_spread_that_is_the_rounding_of_float32_is_none(rng):
    rounding = np.float32(1e6 + 0.01 * rng.normal(size=100))
    states = np.stack([rounding, rng.normal(size=100)], 1)
    assert (spread(states) > 0).tolist() == [False, True]


def test_running_moments_are_those_of_all_rows(rng):
    rows = rng.normal([0.0, 1e4, -3.0], [1e-5, 0.5, 0.0], (500, 3))
    moments = RunningMoments(3)
    for part in np.split(rows, [1, 3, 10, 200, 201]):
        moments.add(part)
    assert moments.count == 500
    np.testing.assert_allclose(moments.mean, rows.mean(0), rtol=1e-12)
    np.testing.assert_allclose(moments.squares / 500, rows.var(0), rtol=1e-7, atol=1e-20)
    normaliser = moments.normaliser(2.0)
    std = [*rows.std(0)[:2], 1.0]  # what is constant is only centred
    np.testing.assert_allclose(normaliser.std, std, rtol=1e-7)
    by_hand = np.clip((rows - rows.mean(0)) / std, -2, 2)
    np.testing.assert_allclose(normaliser(rows), by_hand, atol=1e-5)
    assert normaliser(rows).dtype == np.float32


def test_normaliser_and_state_of_running_moments_do_not_follow_them(rng):
    moments, other = RunningMoments(2), RunningMoments(2)
    moments.add(rng.normal(size=(10, 2)))
    normaliser, saved = moments.normaliser(5.0), moments.state_dict()
    mean, std, squares = (x.copy() for x in (*normaliser[:2], saved["squares"]))
    other.load_state_dict(saved)
    moments.add(rng.normal(5.0, 3.0, (10, 2)))
    np.testing.assert_array_equal(normaliser.mean, mean)
    np.testing.assert_array_equal(normaliser.std, std)
    np.testing.assert_array_equal(other.squares, squares)
