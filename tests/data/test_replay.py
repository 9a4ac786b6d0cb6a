"""The replay buffer, checked by states that say where they come from."""

from collections import Counter

import numpy as np
import pytest

from mgail_tf import checkpoint
from mgail_tf.data import replay
from mgail_tf.data.normaliser import Normaliser
from mgail_tf.data.replay import Recent, ReplayBuffer
from mgail_tf.types import Episode, Spec

SPEC = Spec(
    "Some-v0", 2, 1, False, np.array([-2.0], np.float32), np.array([2.0], np.float32), 0
)  # actions are halved by standardisation
IDENTITY = Normaliser(np.zeros(2), np.ones(2), 1e9)
LENGTH = 6


def _part(number, start, stop, terminated=False, truncated=False):
    """Return steps start to stop of an episode: state [number, step], action 2 x its code."""
    steps = np.arange(start, stop + 1)
    states = np.stack([np.full_like(steps, number), steps], 1).astype(np.float32)
    actions = 2.0 * (100 * number + steps[:-1, None]).astype(np.float32)
    return Episode(
        states, actions, actions, np.zeros(stop - start), terminated, truncated, start > 0
    )


class _Filled:
    """A buffer, and by brute force the steps (episode, step) that it should hold, in order."""

    def __init__(self, capacity, parts):
        self.buffer = ReplayBuffer(capacity, SPEC, IDENTITY)
        steps, self.ends = [], set()
        for part in parts:
            self.buffer.add(part)
            steps += [(int(n), int(t)) for n, t in part.states[:-1]]
            if part.terminated:
                self.ends.add(steps[-1])
        self.held = steps[-capacity:]

    def stretch(self, last, length):
        """Return the held steps of the same episode up to `last`, at most `length` of them."""
        steps = [(last[0], t) for t in range(last[1] - length + 1, last[1] + 1)]
        return [step for step in steps if step in self.held]


TWELVE = [_part(n, 0, 3 + n % 8, n % 2 == 0, n % 2 == 1) for n in range(12)]
BUFFERS = {
    "half empty": (100, [_part(0, 0, 9, terminated=True), _part(1, 0, 4), _part(2, 0, 7)]),
    "one after another": (1000, TWELVE),
    "wrapped around": (23, TWELVE),
    "continued": (
        100,
        [
            _part(0, 0, 4),
            _part(0, 4, 5),
            _part(0, 5, 11, terminated=True),
            _part(1, 0, 7, truncated=True),
            _part(2, 0, 2),
            _part(2, 2, 9),
        ],
    ),
    "continued and wrapped around": (
        17,
        [
            _part(0, 0, 9, terminated=True),
            _part(1, 0, 6),
            _part(1, 6, 13),
            _part(1, 13, 15, terminated=True),
            _part(2, 0, 3),
        ],
    ),
    "smaller than an episode": (5, [_part(0, 0, 3, True), _part(1, 0, 12, terminated=True)]),
    "smaller than a stretch": (4, [_part(0, 0, 12), _part(0, 12, 18, terminated=True)]),
    "smaller than an episode that goes on": (7, [_part(0, 0, 17), _part(0, 17, 20)]),
}


@pytest.fixture(params=BUFFERS, name="filled")
def _filled(request):
    return _Filled(*BUFFERS[request.param])


@pytest.fixture
def sequences(filled, rng):
    return filled.buffer.sample_sequences(rng, 20, 50, LENGTH)


def _columns(sequences):
    """Yield (states [L+1, 2], codes [L], terminated [L], mask [L]) of every stretch."""
    states, actions, terminated, mask = sequences
    for k in range(states.shape[0]):
        for b in range(states.shape[2]):
            yield states[k, :, b], actions[k, :, b, 0], terminated[k, :, b], mask[k, :, b]


def _steps(states):
    """Return rows of states as (episode, step)."""
    return [(int(n), int(t)) for n, t in states.reshape(-1, 2)]


def _lasts(sequences):
    """Return the last step of every stretch."""
    return _steps(sequences.states[:, -2])


def _assert_whole(filled, sequences):
    """Every stretch is all held steps of one episode up to the last; padding comes before them."""
    for states, codes, _, mask in _columns(sequences):
        assert set(mask) <= {0.0, 1.0} and mask[-1] == 1
        assert (np.diff(mask) >= 0).all()
        recorded = states[:-1][mask == 1]
        assert _steps(recorded) == filled.stretch(_steps(states[-2])[0], LENGTH)
        np.testing.assert_array_equal(codes[mask == 1], recorded @ np.array([100, 1]))
        np.testing.assert_array_equal(states[-1], states[-2] + np.array([0, 1]))


# -- what is drawn ---------------------------------------------------------------------------


def test_buffer_holds_the_last_steps_up_to_its_capacity(filled, rng):
    assert len(filled.buffer) == len(filled.held)
    drawn = filled.buffer.sample(rng, (40, 50))
    assert set(_steps(drawn.states)) == set(filled.held)


def test_ends_are_the_agents_own(rng):
    buffer = ReplayBuffer(100, SPEC, IDENTITY)
    assert buffer.sample_ends(rng, (4,)) is None
    buffer.add(_part(0, 0, 9, terminated=True), of_agent=False)
    assert buffer.sample_ends(rng, (4,)) is None
    for number in (1, 2):
        buffer.add(_part(number, 0, 9, terminated=True))
    assert {number for number, _ in _steps(buffer.sample_ends(rng, (200,)))} == {1, 2}


def test_steps_that_are_not_the_agents_are_in_sequences_only(rng, tmp_path):
    buffer = ReplayBuffer(100, SPEC, IDENTITY)
    for number, of_agent in enumerate((True, False, True)):
        buffer.add(_part(number, 0, 20), of_agent)
    restored = ReplayBuffer(100, SPEC, IDENTITY)
    restored.load_state_dict(buffer.state_dict())
    for each in (buffer, restored):
        drawn = _steps(each.sample(rng, (500,)).states)
        assert {number for number, _ in drawn} == {0, 2}
        assert {number for number, _ in _lasts(each.sample_sequences(rng, 1, 500, 2))} == {0, 1, 2}


def test_transitions_belong_together(filled, rng):
    drawn = filled.buffer.sample(rng, (40, 50))
    assert drawn.states.shape == (40, 50, 2)
    codes = drawn.states @ np.array([100, 1])
    np.testing.assert_array_equal(drawn.actions, codes[..., None])


def test_sequences_have_their_shapes(sequences):
    states, actions, terminated, mask = sequences
    assert states.shape == (20, LENGTH + 1, 50, 2)
    assert actions.shape == (20, LENGTH, 50, 1)
    assert terminated.shape == mask.shape == (20, LENGTH, 50)
    assert {x.dtype for x in (states, actions, terminated, mask)} == {np.dtype(np.float32)}


def test_sequences_are_every_held_step_of_one_episode_up_to_the_last(filled, sequences):
    _assert_whole(filled, sequences)


def test_terminated_is_set_at_the_ends_of_tasks_alone(filled, sequences):
    seen = set()
    for states, _, terminated, mask in _columns(sequences):
        steps = _steps(states[:-1][mask == 1])
        ended = [step in filled.ends for step in steps]
        np.testing.assert_array_equal(terminated[mask == 1], ended)
        seen.update(step for step, end in zip(steps, ended, strict=True) if end)
    assert seen == filled.ends & set(filled.held)


def test_every_held_step_is_as_often_the_last(filled, sequences):
    lasts = _lasts(sequences)
    counts = np.array([lasts.count(step) for step in filled.held])
    assert counts.sum() == 1000
    mean = 1000 / len(counts)
    assert np.abs(counts - mean).max() < 5 * np.sqrt(mean)
    assert counts.min() > 0


def test_stretches_with_the_step_drawn_anywhere_are_whole(filled, rng):
    drawn = filled.buffer.sample_sequences(rng, 20, 50, LENGTH, anywhere=True)
    _assert_whole(filled, drawn)
    found = {
        step for states, _, _, mask in _columns(drawn) for step in _steps(states[:-1][mask == 1])
    }
    assert found == set(filled.held)


def test_with_the_step_drawn_anywhere_ends_are_in_as_many_stretches_as_other_steps(rng):
    filled = _Filled(100, [_part(n, 0, 20, terminated=True) for n in range(3)])

    def times_drawn(anywhere):
        drawn = filled.buffer.sample_sequences(rng, 40, 50, LENGTH, anywhere=anywhere)
        found = Counter()
        for states, _, _, mask in _columns(drawn):
            found.update(_steps(states[:-1][mask == 1]))
        mean = found.total() / len(filled.held)
        return {step: found[step] / mean for step in filled.held}

    ends = [(n, 19) for n in range(3)]
    uniform_last, anywhere = times_drawn(False), times_drawn(True)
    assert max(uniform_last[end] for end in ends) < 1.5 / LENGTH
    assert min(anywhere[end] for end in ends) > 0.4
    assert min(anywhere.values()) > 0.4 and max(anywhere.values()) < 1.7


@pytest.mark.parametrize("newest", [1, 4, 23, 500])
@pytest.mark.parametrize("name", ["wrapped around", "half empty"])
def test_recent_sequences_end_in_the_newest_steps_but_reach_back_before(newest, name, rng):
    filled = _Filled(*BUFFERS[name])
    drawn = filled.buffer.sample_sequences(rng, 20, 50, LENGTH, Recent(newest, 1.0))
    assert set(_lasts(drawn)) == set(filled.held[-newest:])
    _assert_whole(filled, drawn)


def test_a_share_of_what_is_drawn_is_recent_and_the_rest_is_not_chosen(filled, rng):
    recent = Recent(3, 0.25)
    lasts = filled.buffer.sample_sequences(rng, 200, 8, LENGTH, recent).states[:, -2]
    assert set(_steps(lasts[:, 6:])) == set(filled.held[-3:])
    assert set(_steps(lasts[:, :6])) == set(filled.held)
    pairs = filled.buffer.sample(rng, (200, 8), recent).states
    assert set(_steps(pairs[:, :2])) == set(filled.held[-3:])
    assert set(_steps(pairs[:, 2:])) == set(filled.held)


def test_recent_pairs_are_the_newest_of_the_agents_own(rng):
    buffer = ReplayBuffer(100, SPEC, IDENTITY)
    buffer.add(_part(0, 0, 9))
    buffer.add(_part(1, 0, 9), of_agent=False)
    drawn = _steps(buffer.sample(rng, (500,), Recent(2, 1.0)).states)
    assert set(drawn) == {(0, 7), (0, 8)}


@pytest.mark.parametrize("newest", [None, 3])
def test_a_share_of_the_stretches_is_from_just_before_the_last_ends(
    filled, rng, monkeypatch, newest
):
    monkeypatch.setattr(replay, "TERMINATIONS", 2)
    monkeypatch.setattr(replay, "STEPS_BEFORE", 3)
    recent = newest and Recent(newest, 1.0)
    drawn = filled.buffer.sample_sequences(rng, 200, 8, LENGTH, recent, near_termination=0.25)
    ends = [step for step in filled.held if step in filled.ends][-2:]
    rest = set(filled.held[-newest:] if newest else filled.held)
    before = {step for end in ends for step in filled.stretch(end, 3)} or rest
    lasts = drawn.states[:, -2]  # [200, 8, 2]
    assert set(_steps(lasts[:, :2])) == before
    assert set(_steps(lasts[:, 2:])) == rest
    _assert_whole(filled, drawn)


def test_states_are_standardised_when_sampled(rng):
    buffer = ReplayBuffer(10, SPEC, Normaliser(np.array([1.0, 2.0]), np.array([2.0, 4.0]), 1.5))
    buffer.add(_part(7, 4, 5))
    drawn = buffer.sample(rng, (1,))
    np.testing.assert_array_equal(drawn.states, [[1.5, 0.5]])  # (7 - 1) / 2 is clipped
    sequence = buffer.sample_sequences(rng, 1, 1, 1)
    np.testing.assert_array_equal(sequence.states, [[[[1.5, 0.5]], [[1.5, 0.75]]]])


# -- memory that grows -----------------------------------------------------------------------


def _draws(buffer):
    rng = np.random.default_rng(5)
    near = buffer.sample_sequences(rng, 3, 8, LENGTH, Recent(4, 0.5), near_termination=0.5)
    return buffer.sample(rng, (3, 8)), buffer.sample_sequences(rng, 3, 8, LENGTH), near


@pytest.mark.parametrize("first", [1, 4, 5, 22])
@pytest.mark.parametrize("name", BUFFERS)
def test_what_is_drawn_does_not_depend_on_what_was_allocated(name, first, monkeypatch):
    capacity, parts = BUFFERS[name]
    whole = ReplayBuffer(capacity, SPEC, IDENTITY)
    assert len(whole._states) == capacity
    monkeypatch.setattr(replay, "_FIRST_ALLOCATION", first)
    grown = ReplayBuffer(capacity, SPEC, IDENTITY)
    for part in parts:
        whole.add(part)
        grown.add(part)
        np.testing.assert_equal(_draws(grown), _draws(whole))
        np.testing.assert_equal(grown.state_dict(), whole.state_dict())
        held = min(capacity, max(first, len(grown)))
        assert held <= len(grown._states) <= min(capacity, max(first, 2 * len(grown)))


def _singles(count):
    """Return so many steps, one a part: episodes of five steps that end by turns."""
    return [
        _part(n // 5, n % 5, n % 5 + 1, terminated=n % 10 == 4, truncated=n % 10 == 9)
        for n in range(count)
    ]


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("size", range(24))  # allocated are 4, 8, 10 steps; 10 is the capacity
def test_saved_buffer_goes_on_at_every_fill_level(tmp_path, monkeypatch, size, used):
    monkeypatch.setattr(replay, "_FIRST_ALLOCATION", 4)
    whole, resumed = (ReplayBuffer(10, SPEC, IDENTITY) for _ in range(2))
    parts = _singles(size + 13)
    for part in parts[:size]:
        whole.add(part)
    checkpoint.write(tmp_path / "buffer.npz", whole.state_dict())
    if used:  # one that has gone on and is put back
        for part in parts[::-1]:
            resumed.add(part)
    resumed.load_state_dict(checkpoint.read(tmp_path / "buffer.npz"))
    assert len(resumed) == len(whole) == min(size, 10)
    np.testing.assert_equal(resumed.state_dict(), whole.state_dict())
    for part in [None, *parts[size:]] if size else parts:
        if part:
            whole.add(part)
            resumed.add(part)
        np.testing.assert_equal(_draws(resumed), _draws(whole))


@pytest.mark.parametrize("first", [3, 10, 4096])
def test_full_buffer_overwrites_its_oldest_step(monkeypatch, first, rng):
    monkeypatch.setattr(replay, "_FIRST_ALLOCATION", first)
    buffer = ReplayBuffer(10, SPEC, IDENTITY)
    for count, part in enumerate(_singles(27), 1):
        buffer.add(part)
        held = {(n // 5, n % 5) for n in range(max(0, count - 10), count)}
        assert set(_steps(buffer.sample(rng, (300,)).states)) == held
        assert len(buffer._states) <= 10
