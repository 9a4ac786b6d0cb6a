"""What demonstrations are said to hold."""

import dataclasses

import numpy as np
import pytest

from mgail_tf.data.demonstrations import Demonstrations
from mgail_tf.data.summary import predictable
from mgail_tf.types import Spec
from tests.checks import refusal

LENGTHS = (40, 60, 25)


def _spec(discrete=False, size=4):
    ones = np.ones(3 if discrete else 2, np.float32)
    return Spec("Some-v0", size, 3 if discrete else 2, discrete, -ones, ones, 100)


def _shown(rng, discrete=False, size=4, lengths=LENGTHS) -> Demonstrations:
    """Return demonstrations of a walk, noise, a constant and what follows the first action."""
    states, actions = [], []
    for n in lengths:
        taken = rng.integers(0, 3, n) if discrete else rng.uniform(-1, 1, (n, 2))
        rows = rng.normal(size=(n + 1, size))
        rows[:, 0] = np.cumsum(rows[:, 0])
        rows[:, 2] = 7.0
        rows[1:, 3] = (taken if discrete else taken[:, 0]) + 0.01 * rows[1:, 3]
        states.append(rows)
        actions.append(taken)
    return Demonstrations.from_arrays(
        states,
        actions,
        terminated=np.arange(len(lengths)) == 1,
        rewards=[np.full(n, 2.0) for n in lengths],
        env_id="Some-v0",
    )


@pytest.mark.parametrize("discrete", [False, True])
def test_summary_says_what_is_there(rng, discrete):
    shown = _shown(rng, discrete)
    found = shown.summary(_spec(discrete))
    assert (found.episodes, found.steps, found.pairs, found.every) == (3, 125, 125, 1)
    assert found.lengths.tolist() == list(LENGTHS)
    assert found.terminated.tolist() == [False, True, False]
    assert found.returns.tolist() == [80.0, 120.0, 50.0]
    assert (found.constant.tolist(), found.noisy.tolist()) == ([2], [1])
    whole = shown.states.astype(np.float64)
    by_hand = [whole.min(0), whole.max(0), whole.mean(0), whole.std(0)]
    np.testing.assert_allclose(found.states, by_hand)
    if discrete:
        assert found.counts == {a: int((shown.actions == a).sum()) for a in range(3)}
        assert found.actions is None and found.outside is None
    else:
        np.testing.assert_allclose(found.actions[1], shown.actions.max(0))
        assert (found.counts, found.outside) == (None, 0.0)


@pytest.mark.parametrize("every", [1, 3, 20, 50])
def test_pairs_are_as_many_as_are_learnt_from(rng, every):
    for seed in range(10):
        shown = _shown(rng).sample(every=every, seed=seed)
        assert shown.summary().pairs == len(shown.pairs(_spec()).states)


def test_actions_outside_the_bounds_are_counted_and_not_warned_of(rng, recwarn):
    shown = _shown(rng)
    wide = dataclasses.replace(shown, actions=shown.actions * 2)
    share = float((np.abs(wide.actions) > 1).mean())
    assert wide.summary(_spec()).outside == pytest.approx(share)
    assert wide.summary().outside is None
    assert len(recwarn) == 0
    assert "states: size" in refusal("demonstrations", shown.summary, _spec(size=5))


@pytest.mark.parametrize("rewards", [True, False])
@pytest.mark.parametrize("size", [4, 300])
@pytest.mark.parametrize("discrete", [False, True])
def test_texts_are_short_and_whole(rng, discrete, size, rewards):
    shown = _shown(rng, discrete, size)
    if not rewards:
        shown = dataclasses.replace(shown, rewards=np.full(125, np.nan, np.float32))
    found = shown.summary(_spec(discrete, size))
    text, short = str(found), found.short()
    assert len(short.splitlines()) <= 5 < len(text.splitlines()) < 40
    assert max(map(len, text.splitlines())) < 120
    for part in (text, short):
        assert "Some-v0" in part and "1 terminated, 2 cut off" in part and "125 pairs" in part
        assert ("unknown" in part) != rewards and ("mean 83.33" in part) == rewards
    assert "1 constant" in short
    assert ("constant" in text) and (size == 4 or f"and {size - 24} more" in text)


def test_few_steps_say_nothing_of_noise(rng):
    shown = _shown(rng, lengths=(5,))
    assert (predictable(shown) == 1.0).all()
    assert shown.summary().noisy.size == 0


def test_units_change_nothing_that_is_said_of_noise(rng):
    shown = _shown(rng)
    scaled = dataclasses.replace(shown, states=shown.states * np.float32([1e6, 1e-6, 5.0, 1e3]))
    assert scaled.summary().noisy.tolist() == [1]
    np.testing.assert_allclose(predictable(scaled), predictable(shown), rtol=1e-3, atol=1e-3)
