"""Demonstration files: what is written comes back, what is wrong is refused in one line."""

import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from mgail_tf import demos
from mgail_tf.normaliser import fit
from mgail_tf.types import BadInput, Episode, Spec

LENGTHS = (5, 1, 8, 3)


def _episodes(spec, rng):
    """Return four episodes whose states say where they are from: [episode, step, 0, ...]."""
    episodes = []
    for number, length in enumerate(LENGTHS):
        states = np.zeros((length + 1, spec.state_size), np.float32)
        states[:, 0], states[:, 1] = number, np.arange(length + 1)
        actions = rng.uniform(-2, 2, (length, spec.action_size)).astype(np.float32)
        if spec.discrete:
            actions = np.eye(spec.action_size, dtype=np.float32)[actions.argmax(-1)]
        rewards = rng.integers(-8, 8, length) / 4
        ended = number % 2 == 0
        episodes.append(Episode(states, actions, actions, rewards, ended, not ended, False))
    return episodes


@pytest.fixture(params=["continuous", "discrete"])
def spec(request) -> Spec:
    return request.getfixturevalue(request.param)


@pytest.fixture
def episodes(spec, rng):
    return _episodes(spec, rng)


@pytest.fixture
def path(tmp_path, spec, episodes) -> Path:
    demos.save(tmp_path / "some.npz", spec, episodes)
    return tmp_path / "some.npz"


# -- there and back --------------------------------------------------------------------------


def test_saved_episodes_come_back(path, spec, episodes):
    loaded = demos.load(path, spec)
    assert loaded.env_id == "Some-v0"
    assert len(loaded.episodes) == 4
    for found, given in zip(loaded.episodes, episodes, strict=True):
        np.testing.assert_array_equal(found.states, given.states)
        np.testing.assert_array_equal(found.actions, given.actions)
        np.testing.assert_array_equal(found.rewards, given.rewards)
        samples = given.actions if spec.discrete else given.actions / 2.0
        np.testing.assert_array_equal(found.samples, samples)
        assert (found.terminated, found.truncated) == (given.terminated, given.truncated)
        assert not found.continued


def test_discrete_actions_are_numbered_as_the_environment_does(tmp_path, discrete, rng):
    path, spec = tmp_path / "some.npz", discrete._replace(first_action=1)
    given = _episodes(spec, rng)
    demos.save(path, spec, given)
    with np.load(path) as data:
        assert set(data["actions"]) == {1, 2, 3}
    for found, episode in zip(demos.load(path, spec).episodes, given, strict=True):
        np.testing.assert_array_equal(found.actions, episode.actions)
    _rewrite(path, actions=np.zeros(sum(LENGTHS), np.int64))
    with pytest.raises(BadInput, match="actions: found 0, expected 1 to 3"):
        demos.load(path, spec)


def test_file_holds_the_schema_in_plain_arrays(path, spec):
    with np.load(path, allow_pickle=False) as data:
        found = {name: (data[name].dtype.kind, data[name].shape) for name in data.files}
    assert found == {
        "states": ("f", (21, spec.state_size)),
        "actions": ("i", (17,)) if spec.discrete else ("f", (17, 2)),
        "rewards": ("f", (17,)),
        "lengths": ("i", (4,)),
        "terminated": ("b", (4,)),
        "env_id": ("U", ()),
    }


def test_same_episodes_give_the_same_bytes(path, tmp_path, spec, episodes, monkeypatch):
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 200_000.0)  # two days later
    demos.save(tmp_path / "again.npz", spec, episodes)
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()
    assert demos.load(path, spec).sha256 == demos.load(tmp_path / "again.npz", spec).sha256


def test_sha256_is_that_of_the_files_bytes(path, spec):
    import hashlib

    assert demos.load(path, spec).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_return_mean_is_over_episodes(path, spec, episodes):
    by_hand = sum(float(r) for e in episodes for r in e.rewards) / 4
    assert abs(demos.load(path, spec).return_mean - by_hand) < 1e-12


def test_file_without_rewards_loads_with_an_unknown_return(path, spec):
    _rewrite(path, rewards=None)
    loaded = demos.load(path, spec)
    assert np.isnan(loaded.return_mean)
    assert [len(e.rewards) for e in loaded.episodes] == list(LENGTHS)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint32, np.uint64])
def test_lengths_of_every_integer_type_are_read(path, spec, dtype):
    expected = demos.load(path, spec)
    _rewrite(path, lengths=np.array(LENGTHS, dtype))
    for found, given in zip(demos.load(path, spec).episodes, expected.episodes, strict=True):
        np.testing.assert_array_equal(found.states, given.states)
        np.testing.assert_array_equal(found.actions, given.actions)


# -- choosing --------------------------------------------------------------------------------


def _numbers(demonstrations):
    return [int(e.states[0, 0]) for e in demonstrations.episodes]


def test_choice_is_without_replacement_in_order_and_by_seed(path, spec):
    loaded = demos.load(path, spec)
    choices = [_numbers(loaded.choose(2, seed)) for seed in range(40)]
    assert choices == [_numbers(loaded.choose(2, seed)) for seed in range(40)]
    assert all(a < b for a, b in choices)
    assert len({tuple(choice) for choice in choices}) == 6  # every pair of four
    assert _numbers(loaded.choose(4, 3)) == [0, 1, 2, 3]


@pytest.mark.parametrize("count", [-1, 0, 5])
def test_choice_of_more_episodes_than_there_are_is_refused(path, spec, count):
    with pytest.raises(BadInput, match=rf"^num_trajectories: found {count}, expected 1 to 4$"):
        demos.load(path, spec).choose(count, 0)


@pytest.mark.parametrize("every", [1, 2, 3, 5, 20])
def test_subsample_keeps_exactly_one_pair_in_so_many(path, spec, episodes, every):
    loaded = demos.load(path, spec)
    for seed in range(10):
        pairs = loaded.subsample(every, seed, spec)
        assert len(pairs.states) == len(pairs.actions)
        for number, (length, episode) in enumerate(zip(LENGTHS, episodes, strict=True)):
            mine = pairs.states[:, 0] == number
            steps = pairs.states[mine, 1].astype(int)
            assert 0 <= steps[0] < min(every, length)
            assert list(steps) == list(range(steps[0], length, every))  # never the last state
            scale = 1.0 if spec.discrete else 2.0
            np.testing.assert_array_equal(pairs.actions[mine] * scale, episode.actions[steps])


def test_subsamples_offset_is_uniform_and_drawn_for_each_episode(path, spec):
    loaded = demos.load(path, spec)
    offsets = []
    for seed in range(400):
        states = loaded.subsample(5, seed, spec).states
        offsets.append([int(states[states[:, 0] == n, 1][0]) for n in range(4)])
    offsets = np.array(offsets)
    for episode, possible in enumerate((5, 1, 5, 3)):
        counts = np.bincount(offsets[:, episode], minlength=possible)
        assert len(counts) == possible
        assert np.abs(counts - 400 / possible).max() < 5 * np.sqrt(400 / possible)
    assert abs(np.corrcoef(offsets[:, 0], offsets[:, 2])[0, 1]) < 0.2


def test_subsample_is_the_same_at_the_same_seed(path, spec):
    loaded = demos.load(path, spec)
    first, again = (loaded.subsample(3, 7, spec) for _ in range(2))
    np.testing.assert_array_equal(first.states, again.states)
    np.testing.assert_array_equal(first.actions, again.actions)


@pytest.mark.parametrize("every", [0, -3])
def test_subsample_of_less_than_one_is_refused(path, spec, every):
    with pytest.raises(BadInput, match=rf"^subsample: found {every}, expected at least 1$"):
        demos.load(path, spec).subsample(every, 0, spec)


# -- normaliser and clipping -----------------------------------------------------------------


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


def _load_warned(path, spec):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        return demos.load(path, spec), [str(w.message) for w in caught]


def test_actions_outside_the_space_are_clipped_with_one_warning_that_counts(
    tmp_path, continuous, rng
):
    episodes = _episodes(continuous, rng)
    episodes[0].actions[0] = [2.5, -7.0]
    episodes[2].actions[7, 1] = 2.001
    demos.save(tmp_path / "wide.npz", continuous, episodes)
    loaded, messages = _load_warned(tmp_path / "wide.npz", continuous)
    (message,) = messages
    assert f"{tmp_path / 'wide.npz'}: 3 action components (9 %)" in message  # of 34
    assert "\n" not in message
    for found, given in zip(loaded.episodes, episodes, strict=True):
        np.testing.assert_array_equal(found.actions, np.clip(given.actions, -2, 2))
        assert np.abs(found.samples).max() <= 1


def test_actions_inside_the_space_give_no_warning(path, spec):
    assert _load_warned(path, spec)[1] == []


# -- bad input -------------------------------------------------------------------------------


def _rewrite(path, **changes):
    """Write the file again with some arrays changed, or left out where None."""
    with np.load(path) as data:
        arrays = {name: data[name] for name in data.files} | changes
    np.savez_compressed(path, **{k: v for k, v in arrays.items() if v is not None})


def _with(field, change):
    """Return a spoiler that replaces an array by `change(array)`."""

    def spoil(path):
        with np.load(path) as data:
            array = data[field]
        _rewrite(path, **{field: change(array)})

    return spoil


def _set(field, index, value):
    def change(array):
        array = np.array(array)
        array[index] = value
        return array

    return _with(field, change)


def _without(field):
    return lambda path: _rewrite(path, **{field: None})


def _contents(content):
    return lambda path: path.write_bytes(content)


def _directory(path):
    path.unlink()
    path.mkdir()


def _truncated(path):
    path.write_bytes(path.read_bytes()[:-200])


def _bare_array(path):
    with path.open("wb") as file:
        np.save(file, np.zeros((3, 3)))


def _object(array):
    objects = np.empty(len(array), object)
    objects[:] = [{"state": x} for x in array]
    return objects


ANY = {  # name: (spoiler, what the message must hold beside the path)
    "missing file": (Path.unlink, "no such"),
    "directory": (_directory, "not an npz"),
    "truncated zip": (_truncated, "not an npz"),
    "plain text": (_contents(b"state,action\n1,2\n"), "not an npz"),
    "empty file": (_contents(b""), "not an npz"),
    "pickle": (_contents(b"\x80\x04]\x94."), "not an npz"),
    "one bare array": (_bare_array, "not an npz"),
    "pickled objects": (_with("states", _object), "not an npz"),
    "states missing": (_without("states"), "states"),
    "actions missing": (_without("actions"), "actions"),
    "lengths missing": (_without("lengths"), "lengths"),
    "terminated missing": (_without("terminated"), "terminated"),
    "env_id missing": (_without("env_id"), "env_id"),
    "wrong env_id": (_with("env_id", lambda x: "Other-v0"), "env_id: found Other-v0"),
    "env_id a long list": (_with("env_id", lambda x: np.array(["Some-v0"] * 50)), "env_id"),
    "wrong state size": (_with("states", lambda x: x[:, 1:]), "states"),
    "states flat": (_with("states", np.ravel), "states"),
    "states without the last ones": (_with("states", lambda x: x[:-4]), "states"),
    "state NaN": (_set("states", (3, 1), np.nan), "states"),
    "state infinite": (_set("states", (3, 1), -np.inf), "states"),
    "state beyond float32": (_with("states", lambda x: x.astype(float) + 1e300), "states"),
    "states strings": (_with("states", lambda x: x.astype(str)), "states"),
    "states complex": (_with("states", lambda x: x + 1j), "states"),
    "actions strings": (_with("actions", lambda x: x.astype(str)), "actions"),
    "actions one number": (_with("actions", lambda x: x.ravel()[0]), "actions"),
    "actions too few": (_with("actions", lambda x: x[:-1]), "actions"),
    "rewards too many": (_with("rewards", lambda x: np.append(x, 0)), "rewards"),
    "rewards strings": (_with("rewards", lambda x: x.astype(str)), "rewards"),
    "no episode": (_with("lengths", lambda x: x[:0]), "lengths"),
    "zero-length episode": (_with("lengths", lambda x: np.append(x, 0)), "lengths"),
    "negative length": (_set("lengths", 1, -1), "lengths"),
    "lengths too long": (_set("lengths", 1, 2), "states"),
    "lengths float": (_with("lengths", lambda x: x.astype(float)), "lengths"),
    "lengths strings": (_with("lengths", lambda x: x.astype(str)), "lengths"),
    "lengths one number": (_with("lengths", np.sum), "lengths"),
    "terminated too few": (_with("terminated", lambda x: x[1:]), "terminated"),
    "terminated integers": (_with("terminated", lambda x: x.astype(int)), "terminated"),
}
CONTINUOUS = {
    "wrong action size": (_with("actions", lambda x: x[:, :1]), "actions"),
    "actions flat": (_with("actions", lambda x: x[:, 0]), "actions"),
    "action NaN": (_set("actions", (2, 0), np.nan), "actions"),
    "action infinite": (_set("actions", (2, 0), np.inf), "actions"),
}
DISCRETE = {
    "float actions": (_with("actions", lambda x: x.astype(float)), "actions"),
    "one-hot actions": (_with("actions", lambda x: np.eye(3)[x]), "actions"),
    "action too large": (_set("actions", 2, 3), "actions: found 3, expected 0 to 2"),
    "action negative": (_set("actions", 2, -1), "actions: found -1, expected 0 to 2"),
}


@pytest.mark.parametrize(
    ("kind", "name"),
    [("continuous", name) for name in {**ANY, **CONTINUOUS}]
    + [("discrete", name) for name in DISCRETE],
)
def test_bad_file_is_refused_in_one_line(tmp_path, request, rng, kind, name):
    spec, path = request.getfixturevalue(kind), tmp_path / "given.npz"
    demos.save(path, spec, _episodes(spec, rng))
    demos.load(path, spec)
    spoil, expected = {**ANY, **CONTINUOUS, **DISCRETE}[name]
    spoil(path)
    with pytest.raises(BadInput) as refused:
        demos.load(path, spec)
    message = str(refused.value)
    assert message.startswith(f"{path}: ")
    assert expected in message
    assert "\n" not in message


def test_damage_anywhere_in_the_file_is_refused_or_harmless(tmp_path, continuous, rng):
    """A flipped byte breaks the zip, the deflate stream, a checksum, a header, or a time stamp."""
    path = tmp_path / "given.npz"
    demos.save(path, continuous, _episodes(continuous, rng))
    whole, expected = path.read_bytes(), demos.load(path, continuous)
    refused = 0
    for at in range(0, len(whole), 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            loaded = demos.load(path, continuous)
        except BadInput as error:
            assert str(path) in str(error) and "\n" not in str(error)
            refused += 1
        else:
            for found, given in zip(loaded.episodes, expected.episodes, strict=True):
                np.testing.assert_array_equal(found.states, given.states)
                np.testing.assert_array_equal(found.actions, given.actions)
    assert refused > 100
