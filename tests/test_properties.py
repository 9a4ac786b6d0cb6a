"""What holds for whatever a user gives: drawn by hypothesis, the same draws every time."""

import dataclasses
import math
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mgail_tf.config.algorithms import CONFIGS
from mgail_tf.config.overrides import override
from mgail_tf.data.demonstrations import Demonstrations
from mgail_tf.data.normaliser import Normaliser
from mgail_tf.data.replay import ReplayBuffer
from mgail_tf.errors import BadInput
from mgail_tf.types import Episode, Spec

settings.register_profile("same", derandomize=True, deadline=None, max_examples=60, database=None)
settings.load_profile("same")
numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def demonstrations(draw):
    """Return (spec, episodes) of one environment."""
    size, actions, discrete = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.booleans())
    high = np.full(actions, 1.0 if discrete else draw(st.floats(0.125, 100, width=32)), np.float32)
    first = draw(st.integers(0, 2)) if discrete else 0
    spec = Spec("Drawn-v0", size, actions, discrete, -high, high, 50, first)
    episodes = []
    for length in draw(st.lists(st.integers(1, 12), min_size=1, max_size=4)):
        states = draw(arrays(np.float32, (length + 1, size), elements=numbers))
        if discrete:
            rows = draw(st.lists(st.integers(0, actions - 1), min_size=length, max_size=length))
            taken = np.eye(actions, dtype=np.float32)[rows]
        else:
            share = st.floats(-1, 1, width=32)
            taken = high * draw(arrays(np.float32, (length, actions), elements=share))
        rewards = draw(arrays(np.float32, length, elements=st.floats(-1e6, 1e6, width=32)))
        ended = draw(st.booleans())
        sample = spec.scale_actions(taken)
        episodes.append(Episode(states, taken, sample, rewards, ended, not ended, False))
    return spec, episodes


@given(demonstrations())
def test_demonstrations_come_back(drawn):
    spec, episodes = drawn
    with TemporaryDirectory() as folder:
        path = Path(folder) / "demos.npz"
        Demonstrations.from_episodes(spec, episodes).save(path)
        loaded = Demonstrations.load(path)
    states = np.split(loaded.states, np.cumsum(loaded.lengths + 1)[:-1])
    rewards = np.split(loaded.rewards, np.cumsum(loaded.lengths)[:-1])
    pairs = loaded.pairs(spec)
    np.testing.assert_equal(states, [e.states for e in episodes])
    np.testing.assert_equal(rewards, [e.rewards for e in episodes])
    np.testing.assert_array_equal(loaded.terminated, [e.terminated for e in episodes])
    np.testing.assert_array_equal(pairs.states, np.concatenate([e.states[:-1] for e in episodes]))
    np.testing.assert_array_equal(pairs.actions, np.concatenate([e.samples for e in episodes]))


@given(demonstrations(), st.integers(1, 15), st.integers(0, 9))
def test_subsample_keeps_pairs_of_the_demonstrations_at_even_distances(drawn, every, seed):
    spec, episodes = drawn
    for number, episode in enumerate(episodes):  # no two states are the same
        episode.states[:, 0] = 100 * number + np.arange(len(episode.states))
    whole = Demonstrations.from_episodes(spec, episodes)
    pairs = whole.sample(every=every, seed=seed).pairs(spec)
    row = 0
    for episode in episodes:
        length, kept = len(episode.actions), []
        possible = [range(start, length, every) for start in range(min(every, length))]
        for steps in sorted(possible, key=len, reverse=True):
            rows = slice(row, row + len(steps))
            same = np.array_equal(pairs.states[rows], episode.states[list(steps)])
            if same and np.array_equal(pairs.actions[rows], episode.samples[list(steps)]):
                kept = list(steps)
                break
        assert kept, "the pairs are at no offset of the episode"
        row += len(kept)
    assert row == len(pairs.states)


@given(
    capacity=st.integers(1, 40),
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=6),
    cuts=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    length=st.integers(1, 6),
)
def test_replayed_stretches_are_recorded_ones(capacity, lengths, cuts, length):
    """States say (episode, step), so that every stretch can be read."""
    one = np.ones(1, np.float32)
    spec = Spec("Drawn-v0", 2, 1, False, -one, one, 50)
    buffer = ReplayBuffer(capacity, spec, Normaliser(np.zeros(2), np.ones(2), 1e6))
    added = 0
    for index, steps in enumerate(lengths):
        states = np.stack([np.full(steps + 1, index), np.arange(steps + 1)], 1).astype(np.float32)
        actions = states[:-1, 1:] / 100
        start = 0
        while start < steps:  # an episode comes in parts
            end = min(steps, start + cuts[added % len(cuts)])
            part, last = actions[start:end], end == steps
            rewards = np.zeros(end - start)
            buffer.add(
                Episode(states[start : end + 1], part, part, rewards, last, False, start > 0)
            )
            added += end - start
            start = end
    assert len(buffer) == min(capacity, added)
    found = buffer.sample_sequences(np.random.default_rng(0), 2, 8, length)
    for block in range(2):
        states, actions, ends, mask = (x[block] for x in found)
        assert mask[-1].all()  # the last step is a recorded one
        assert (np.diff(mask, axis=0) >= 0).all()  # padding comes first
        kept = mask > 0
        np.testing.assert_allclose(actions[kept][:, 0], states[:-1][kept][:, 1] / 100, rtol=1e-6)
        steps = np.diff(states, axis=0)[kept]
        np.testing.assert_array_equal(steps, np.tile([0.0, 1.0], (len(steps), 1)))
        after = states[1:][kept]
        final = after[:, 1] == np.array(lengths)[after[:, 0].astype(int)]
        np.testing.assert_array_equal(ends[kept] > 0, final)


ANY = st.one_of(
    st.text(max_size=12),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["()", "(1,)", "(0,)", "[1]", "None", "True", "1e999", "-0.0", "'a'", "{}"]),
)


@pytest.mark.parametrize("algorithm", CONFIGS)
@given(data=st.data())
def test_override_gives_possible_settings_or_one_line(algorithm, data):
    before = CONFIGS[algorithm]()
    names = [field.name for field in dataclasses.fields(before)]
    key, text = data.draw(st.sampled_from(names)), data.draw(ANY)
    try:
        after = override(before, [f"{key}={text}"])
    except BadInput as error:
        assert key in str(error)
        return
    value = getattr(after, key)
    assert not isinstance(value, float) or math.isfinite(value)
    assert type(before)(**dataclasses.asdict(after)) == after  # given directly it is taken too
    assert dataclasses.replace(after, **{key: getattr(before, key)}) == before  # nothing else
