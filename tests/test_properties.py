"""What holds for whatever a user gives: drawn by hypothesis, the same draws every time."""

import csv
import dataclasses
import math
import multiprocessing
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mgail_tf import config, demos, tables
from mgail_tf.normaliser import Normaliser
from mgail_tf.overrides import check, override
from mgail_tf.replay import ReplayBuffer
from mgail_tf.types import BadInput, Episode, Spec

settings.register_profile("same", derandomize=True, deadline=None, max_examples=60, database=None)
settings.load_profile("same")
numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def demonstrations(draw):
    """Return (spec, episodes) of one environment."""
    size, actions, discrete = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.booleans())
    high = np.full(actions, 1.0 if discrete else draw(st.floats(0.125, 100, width=32)), np.float32)
    spec = Spec("Drawn-v0", size, actions, discrete, -high, high, 50)
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
        demos.save(path, spec, episodes)
        loaded = demos.load(path, spec).episodes
    for expected, found in zip(episodes, loaded, strict=True):
        np.testing.assert_array_equal(found.states, expected.states)
        np.testing.assert_array_equal(found.actions, expected.actions)
        np.testing.assert_array_equal(found.rewards, expected.rewards)
        assert found.terminated == expected.terminated


@given(demonstrations(), st.integers(1, 15), st.integers(0, 9))
def test_subsample_keeps_pairs_of_the_demonstrations_at_even_distances(drawn, every, seed):
    spec, episodes = drawn
    whole = demos.Demonstrations(spec.env_id, tuple(episodes), "")
    pairs = whole.subsample(every, seed, spec)
    row = 0
    for episode in episodes:
        length, kept = len(episode.actions), []
        possible = [range(start, length, every) for start in range(min(every, length))]
        for steps in sorted(possible, key=len, reverse=True):
            count = len(steps)
            same = np.array_equal(pairs.states[row : row + count], episode.states[list(steps)])
            if same and np.array_equal(
                pairs.actions[row : row + count], spec.scale_actions(episode.actions[list(steps)])
            ):
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
            part, last = slice(start, end), end == steps
            buffer.add(
                Episode(
                    states[start : end + 1],
                    actions[part],
                    actions[part],
                    np.zeros(end - start),
                    last,
                    False,
                    start > 0,
                )
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


@pytest.mark.parametrize("algorithm", config.ALGORITHMS)
@given(data=st.data())
def test_override_gives_possible_settings_or_one_line(algorithm, data):
    before = config.ALGORITHMS[algorithm]()
    names = [field.name for field in dataclasses.fields(before)]
    key, text = data.draw(st.sampled_from(names)), data.draw(ANY)
    try:
        after = override(before, [f"{key}={text}"])
    except BadInput as error:
        assert key in str(error)
        return
    value = getattr(after, key)
    assert type(value) is type(getattr(before, key))
    assert not isinstance(value, float) or math.isfinite(value)
    check(after)
    assert dataclasses.replace(after, **{key: getattr(before, key)}) == before  # nothing else


@given(
    st.lists(st.dictionaries(st.just("a"), st.text(max_size=9)), min_size=1, max_size=5),
    st.booleans(),
)
def test_rows_come_back_whatever_they_hold(rows, cut):
    rows = [{"a": row.get("a", ""), "b": "x"} for row in rows]
    rows = [r for r in rows if "\x00" not in r["a"] and r["a"].isprintable()]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        for i, row in enumerate(rows):
            tables.append_row(path, row)
            if cut and not i:
                path.write_text(path.read_text().rstrip("\n"))  # an editor took the last newline
        if rows:
            with path.open(newline="") as file:
                assert list(csv.DictReader(file)) == rows
            before = path.read_bytes()
            tables.append_row(path, rows[-1], once=True)
            assert path.read_bytes() == before


def _append(path: Path, name: str) -> None:
    for i in range(200):
        tables.append_row(path, {"name": name, "number": i})


def test_two_processes_that_append_lose_nothing(tmp_path):
    path, context = tmp_path / "table.csv", multiprocessing.get_context("spawn")
    others = [context.Process(target=_append, args=(path, name)) for name in "ab"]
    for process in others:
        process.start()
    for process in others:
        process.join()
    with path.open(newline="") as file:
        found = [(row["name"], int(row["number"])) for row in csv.DictReader(file)]
    assert sorted(found) == [(name, i) for name in "ab" for i in range(200)]
