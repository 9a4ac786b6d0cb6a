"""Demonstrations: what is written comes back, what is chosen, what is wrong is refused."""

import dataclasses
import hashlib
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from mgail_tf.data.demonstrations import Demonstrations
from mgail_tf.errors import BadInput
from mgail_tf.types import Episode
from tests.checks import check_damage, refusal

LENGTHS = (5, 1, 8, 3)
FIELDS = ("states", "actions", "rewards", "lengths", "terminated", "env_id")


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


def _joined(episodes, field):
    return np.concatenate([getattr(e, field) for e in episodes])


def _assert_same(found, expected):
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(found, field), getattr(expected, field))


@pytest.fixture
def episodes(spec, rng):
    return _episodes(spec, rng)


@pytest.fixture
def path(tmp_path, spec, episodes) -> Path:
    Demonstrations.from_episodes(spec, episodes).save(tmp_path / "some.npz")
    return tmp_path / "some.npz"


@pytest.fixture
def loaded(path) -> Demonstrations:
    return Demonstrations.load(path)


def _rewrite(path, **changes):
    """Write the file again with some arrays changed, or left out where None."""
    with np.load(path) as data:
        arrays = {name: data[name] for name in data.files} | changes
    np.savez_compressed(path, **{k: v for k, v in arrays.items() if v is not None})


# -- there and back --------------------------------------------------------------------------


def test_saved_episodes_come_back(loaded, spec, episodes):
    assert (loaded.env_id, len(loaded)) == ("Some-v0", 4)
    assert tuple(loaded.lengths) == LENGTHS
    np.testing.assert_array_equal(loaded.states, _joined(episodes, "states"))
    np.testing.assert_array_equal(loaded.rewards, _joined(episodes, "rewards"))
    np.testing.assert_array_equal(loaded.terminated, [e.terminated for e in episodes])
    actions = _joined(episodes, "actions")
    np.testing.assert_array_equal(loaded.actions, actions.argmax(-1) if spec.discrete else actions)
    pairs = loaded.pairs(spec)
    np.testing.assert_array_equal(pairs.actions, actions if spec.discrete else actions / 2.0)
    np.testing.assert_array_equal(pairs.states, np.concatenate([e.states[:-1] for e in episodes]))


def test_discrete_actions_are_numbered_as_the_environment_does(discrete, rng):
    spec = discrete._replace(first_action=1)
    given = _episodes(spec, rng)
    made = Demonstrations.from_episodes(spec, given)
    assert set(made.actions) == {1, 2, 3}
    np.testing.assert_array_equal(made.pairs(spec).actions, _joined(given, "actions"))
    for shifted in (made.actions - 1, made.actions + 1):
        steps = np.split(shifted, np.cumsum(LENGTHS)[:-1])
        wrong = Demonstrations.from_arrays(
            [e.states for e in given], steps, terminated=[True] * 4, env_id="Some-v0"
        )
        assert "actions" in refusal("demonstrations", wrong.for_spec, spec)


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


def test_same_episodes_give_the_same_bytes_which_the_sha256_names(path, loaded, monkeypatch):
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 200_000.0)  # two days later
    again = path.with_name("again.npz")
    loaded.save(again)
    assert again.read_bytes() == path.read_bytes()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert loaded.sha256 == Demonstrations.load(again).sha256 == digest


def test_a_file_of_which_pairs_are_left_out_is_not_written(loaded, tmp_path):
    chosen = loaded.sample(every=2)
    for write in (chosen.save, chosen.to_minari):
        said = refusal(loaded.source, write, tmp_path / "half.npz")
        assert "found one pair in 2, expected every pair" in said
    assert not (tmp_path / "half.npz").exists()


def test_a_given_id_replaces_the_one_in_the_file(path, loaded):
    assert Demonstrations.load(path, "Rail-v0").env_id == "Rail-v0"
    assert Demonstrations.load(path).env_id == loaded.env_id != "Rail-v0"


@pytest.mark.parametrize("array", [np.array(["Rail-v0"]), np.array(b"Rail-v0"), np.str_("Rail-v0")])
def test_an_id_is_a_text_however_it_was_put_into_an_array(path, array):
    _rewrite(path, env_id=array)
    assert Demonstrations.load(path).env_id == "Rail-v0"


def test_return_mean_is_over_episodes(loaded, episodes):
    by_hand = sum(float(r) for e in episodes for r in e.rewards) / 4
    assert abs(loaded.return_mean - by_hand) < 1e-12
    assert loaded.expert_return == loaded.return_mean


def test_file_without_rewards_loads_with_an_unknown_return(path, spec):
    _rewrite(path, rewards=None)
    loaded = Demonstrations.load(path)
    assert np.isnan(loaded.return_mean) and np.isnan(loaded.expert_return)
    assert loaded.rewards.shape == (17,)
    with pytest.raises(BadInput, match="exists"):
        loaded.save(path)  # nothing is overwritten
    path.unlink()
    loaded.save(path)
    with np.load(path) as data:
        assert "rewards" not in data.files


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint32, np.uint64])
def test_lengths_of_every_integer_type_are_read(path, loaded, spec, dtype):
    _rewrite(path, lengths=np.array(LENGTHS, dtype))
    _assert_same(Demonstrations.load(path), loaded)


# -- from arrays -----------------------------------------------------------------------------


def _arrays(spec, episodes) -> dict:
    """Return what `from_arrays` takes."""
    actions = [e.actions.argmax(-1) if spec.discrete else e.actions for e in episodes]
    return {
        "states": [e.states for e in episodes],
        "actions": actions,
        "terminated": [e.terminated for e in episodes],
        "rewards": [e.rewards for e in episodes],
        "env_id": "Some-v0",
    }


def test_arrays_make_what_a_file_holds(loaded, spec, episodes):
    arrays = _arrays(spec, episodes)
    _assert_same(Demonstrations.from_arrays(**arrays), loaded)
    lists = {name: [np.array(x).tolist() for x in arrays[name]] for name in ("states", "actions")}
    _assert_same(Demonstrations.from_arrays(**arrays | lists), loaded)
    unnamed = Demonstrations.from_arrays(**arrays | {"rewards": None, "env_id": ""})
    assert np.isnan(unnamed.expert_return)
    fitted = unnamed.for_spec(spec._replace(env_id="Another-v0"))  # which one is not checked
    np.testing.assert_array_equal(fitted.actions, loaded.actions)


def test_sha256_of_arrays_names_what_is_learnt_from(spec, episodes):
    arrays = _arrays(spec, episodes)
    first, again = (Demonstrations.from_arrays(**arrays).sha256 for _ in range(2))
    assert first == again
    for field in ("states", "actions", "terminated"):
        changed = [np.array(x) for x in arrays[field]]
        changed[0] = 1 - changed[0]
        assert Demonstrations.from_arrays(**arrays | {field: changed}).sha256 != first


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("states", lambda x: []),
        ("states", lambda x: x[:-1]),
        ("states", lambda x: [s[:-1] for s in x]),
        ("states", lambda x: [s * np.nan for s in x]),
        ("actions", lambda x: x[:-1]),
        ("actions", lambda x: [a.astype(str) for a in x]),
        ("terminated", lambda x: x[:-1]),
        ("rewards", lambda x: [r[:-1] for r in x]),
        ("rewards", lambda x: x[:1]),
        ("rewards", lambda x: []),
        ("rewards", lambda x: [np.append(x[0][1:], np.nan), *x[1:]]),
        ("rewards", lambda x: [np.full(len(r), np.inf) for r in x]),
        ("rewards", lambda x: [np.append(x[0], 0.0), x[1][:-1], *x[2:]]),  # as many in all
        ("states", lambda x: [[[1.0], [1.0, 2.0]], *x[1:]]),
        ("actions", lambda x: [1.0, *x[1:]]),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(spec, episodes, field, change):
    arrays = _arrays(spec, episodes)
    arrays[field] = change(arrays[field])
    assert field in refusal("demonstrations", Demonstrations.from_arrays, **arrays)


# -- choosing --------------------------------------------------------------------------------


def _numbers(demonstrations):
    """Return from which episodes the pairs are."""
    return sorted(set(demonstrations.states[:, 0].astype(int)))


def test_choice_is_without_replacement_in_order_and_by_seed(loaded, spec):
    chosen = [loaded.sample(2, seed=seed) for seed in range(40)]
    choices = [_numbers(c) for c in chosen]
    assert choices == [_numbers(loaded.sample(2, seed=seed)) for seed in range(40)]
    assert len({tuple(choice) for choice in choices}) == 6  # every pair of four
    for part, numbers in zip(chosen, choices, strict=True):
        rows = np.isin(loaded.states[:, 0], numbers)
        np.testing.assert_array_equal(part.states, loaded.states[rows])
        np.testing.assert_array_equal(part.lengths, np.array(LENGTHS)[numbers])
        np.testing.assert_array_equal(part.terminated, loaded.terminated[numbers])
        assert len(part.actions) == len(part.rewards) == part.lengths.sum()
    _assert_same(loaded.sample(4, seed=3), loaded)
    _assert_same(loaded.sample(), loaded)


def test_choice_keeps_what_a_normalised_score_stands_for(loaded):
    part = loaded.sample(1, seed=0)
    assert part.expert_return == loaded.return_mean != part.return_mean
    assert (part.source, part.sha256) == (loaded.source, loaded.sha256)


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("num_trajectories", {"trajectories": -1}),
        ("num_trajectories", {"trajectories": 0}),
        ("num_trajectories", {"trajectories": 5}),
        ("subsample", {"every": 0}),
        ("subsample", {"every": -3}),
    ],
)
def test_choice_of_what_is_not_there_is_refused(loaded, field, arguments):
    assert refusal(loaded.source, loaded.sample, **arguments).startswith(f"{field}: ")


def test_a_negative_seed_is_refused_for_any_choice(loaded):
    for choose in (loaded.sample, loaded.held_out):
        assert refusal(loaded.source, choose, 1, seed=-1).startswith("seed: found -1")


def test_episodes_that_are_in_both_are_counted(loaded):
    assert loaded.sample(2, seed=0).common(loaded.held_out(2, seed=0)) == 0
    assert loaded.sample(3, seed=0).common(loaded) == 3


@pytest.mark.parametrize("every", [1, 2, 3, 5, 20])
def test_subsample_keeps_exactly_one_pair_in_so_many(loaded, spec, episodes, every):
    for seed in range(10):
        pairs = loaded.sample(every=every, seed=seed).pairs(spec)
        assert len(pairs.states) == len(pairs.actions)
        for number, (length, episode) in enumerate(zip(LENGTHS, episodes, strict=True)):
            mine = pairs.states[:, 0] == number
            steps = pairs.states[mine, 1].astype(int)
            assert 0 <= steps[0] < min(every, length)
            assert list(steps) == list(range(steps[0], length, every))  # never the last state
            scale = 1.0 if spec.discrete else 2.0
            np.testing.assert_array_equal(pairs.actions[mine] * scale, episode.actions[steps])


def test_subsamples_offset_is_uniform_and_drawn_for_each_episode(loaded, spec):
    offsets = []
    for seed in range(400):
        states = loaded.sample(every=5, seed=seed).pairs(spec).states
        offsets.append([int(states[states[:, 0] == n, 1][0]) for n in range(4)])
    offsets = np.array(offsets)
    for episode, possible in enumerate((5, 1, 5, 3)):
        counts = np.bincount(offsets[:, episode], minlength=possible)
        assert len(counts) == possible
        assert np.abs(counts - 400 / possible).max() < 5 * np.sqrt(400 / possible)
    assert abs(np.corrcoef(offsets[:, 0], offsets[:, 2])[0, 1]) < 0.2


def test_subsample_is_the_same_at_the_same_seed(loaded, spec):
    first, again = (loaded.sample(every=3, seed=7) for _ in range(2))
    for _ in range(2):  # however often it is asked
        np.testing.assert_equal(first.pairs(spec), again.pairs(spec))


# -- clipping --------------------------------------------------------------------------------


def _fitted_warned(demonstrations, spec):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        return demonstrations.for_spec(spec), [str(w.message) for w in caught]


def test_actions_outside_the_space_are_clipped_with_one_warning_that_counts(
    tmp_path, continuous, rng
):
    episodes, path = _episodes(continuous, rng), tmp_path / "wide.npz"
    episodes[0].actions[0] = [2.5, -7.0]
    episodes[2].actions[7, 1] = 2.001
    Demonstrations.from_episodes(continuous, episodes).save(path)
    fitted, (message,) = _fitted_warned(Demonstrations.load(path), continuous)
    assert f"{path}: 3 action components (9 %)" in message  # of 34
    assert "\n" not in message
    np.testing.assert_array_equal(fitted.actions, np.clip(_joined(episodes, "actions"), -2, 2))
    assert np.abs(fitted.pairs(continuous).actions).max() <= 1
    assert _fitted_warned(fitted, continuous)[1] == []


def test_actions_inside_the_space_give_no_warning(loaded, spec):
    assert _fitted_warned(loaded, spec)[1] == []


# -- which environment -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "expected", "fits"),
    [
        ("PointMass-v0", "PointMass-v0", "yes"),
        ("", "PointMass-v0", "yes"),
        ("myrobot:PointMass-v0", "PointMass-v0", "yes"),
        ("lab/PointMass-v0", "PointMass-v0", "yes"),
        ("PointMass-v0", "lab/PointMass-v0", "yes"),
        ("myrobot:lab/PointMass-v0", "lab/PointMass-v0", "yes"),
        ("my.robot:lab/arm/PointMass-v0", "PointMass-v0", "yes"),
        ("PointMass-v4", "PointMass-v5", "warns"),
        ("myrobot:lab/PointMass-v10", "PointMass-v5", "warns"),
        ("PointMass", "PointMass-v5", "warns"),
        ("Rail", "Rail", "yes"),
        ("other/PointMass-v0", "lab/PointMass-v0", "no"),
        ("PointMass2-v0", "PointMass-v0", "no"),
        ("pointmass-v0", "PointMass-v0", "no"),
        ("Rail", "PointMass-v0", "no"),
        ("a long\nname", "PointMass-v0", "no"),
    ],
)
def test_the_same_environment_may_be_named_in_several_ways(loaded, spec, named, expected, fits):
    shown, spec = dataclasses.replace(loaded, env_id=named), spec._replace(env_id=expected)
    if fits == "no":
        assert refusal(loaded.source, shown.for_spec, spec).startswith("env_id: found ")
        return
    fitted, said = _fitted_warned(shown, spec)
    np.testing.assert_array_equal(fitted.actions, loaded.actions)
    assert len(said) == (fits == "warns")
    if said:
        assert f"{loaded.source}: env_id: found {named}, another version of {expected}" in said[0]
        assert _fitted_warned(fitted, spec)[1] == []  # it is said once
        larger = spec._replace(state_size=spec.state_size + 1)
        assert "states: size" in refusal(loaded.source, shown.for_spec, larger)


# -- bad input -------------------------------------------------------------------------------


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


def _contents(change):
    return lambda path: path.write_bytes(change(path.read_bytes()))


def _object(array):
    objects = np.empty(len(array), object)
    objects[:] = [{"state": x} for x in array]
    return objects


ANY = {  # name: (spoiler, the field that the message names beside the path)
    "missing file": (Path.unlink, ""),
    "directory": (lambda path: (path.unlink(), path.mkdir()), ""),
    "truncated zip": (_contents(lambda whole: whole[:-200]), ""),
    "plain text": (_contents(lambda _: b"state,action\n1,2\n"), ""),
    "empty file": (_contents(lambda _: b""), ""),
    "pickle": (_contents(lambda _: b"\x80\x04]\x94."), ""),
    "one bare array": (lambda path: np.save(path.open("wb"), np.zeros((3, 3))), ""),
    "pickled objects": (_with("states", _object), ""),
    "states missing": (_with("states", lambda _: None), "states"),
    "actions missing": (_with("actions", lambda _: None), "actions"),
    "lengths missing": (_with("lengths", lambda _: None), "lengths"),
    "terminated missing": (_with("terminated", lambda _: None), "terminated"),
    "env_id missing": (_with("env_id", lambda _: None), "env_id"),
    "wrong env_id": (_with("env_id", lambda x: "Other-v0"), "env_id"),
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
    "action too large": (_set("actions", 2, 3), "actions"),
    "action negative": (_set("actions", 2, -1), "actions"),
}
FILES = [("continuous", name) for name in {**ANY, **CONTINUOUS}]
FILES += [("discrete", name) for name in DISCRETE]


@pytest.mark.parametrize(("spec", "name"), FILES, indirect=["spec"])
def test_bad_file_is_refused_in_one_line(path, spec, name):
    Demonstrations.load(path).for_spec(spec)
    spoil, field = {**ANY, **CONTINUOUS, **DISCRETE}[name]
    spoil(path)
    assert field in refusal(path, lambda: Demonstrations.load(path).for_spec(spec))


@pytest.mark.parametrize("spec", ["continuous"], indirect=True)
def test_damage_anywhere_in_the_file_is_refused_or_harmless(path):
    check_damage(path, 3, lambda: [getattr(Demonstrations.load(path), x) for x in FIELDS[:2]])
