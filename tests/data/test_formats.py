"""Other people's formats: what is written comes back, what is read is what they hold."""

import dataclasses
import importlib
import io
import pickle
import shutil
import subprocess
import sys
import time
import warnings
import zipfile
from pathlib import Path
from typing import Any

import datasets
import gymnasium
import h5py
import huggingface_hub
import minari
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple, flatten
from minari.data_collector import EpisodeBuffer

from mgail_tf.data.demonstrations import Demonstrations
from mgail_tf.errors import BadInput
from tests import toys
from tests.checks import refusal

FIELDS = ("states", "actions", "rewards", "lengths", "terminated", "env_id", "ends_recorded")


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch) -> Path:
    """An empty folder of Minari's."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    (tmp_path / "minari").mkdir()
    return tmp_path / "minari"


@pytest.fixture
def warned():
    """Collect warnings, in place of printing them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


def _assert_same(found, expected, without=()):
    for field in FIELDS:
        if field not in without:
            np.testing.assert_array_equal(getattr(found, field), getattr(expected, field))


def _shown(rng, discrete=False, lengths=(5, 1, 8), size=3) -> Demonstrations:
    """Return demonstrations whose states say where they are from: [episode, step, random ...]."""
    states = [rng.normal(size=(n + 1, size)).astype(np.float32) for n in lengths]
    for number, rows in enumerate(states):
        rows[:, 0], rows[:, 1] = number, np.arange(len(rows))
    actions = [rng.integers(0, 3, n) if discrete else rng.uniform(-1, 1, (n, 2)) for n in lengths]
    return Demonstrations.from_arrays(
        states,
        actions,
        terminated=np.arange(len(lengths)) % 2 == 0,
        rewards=[rng.normal(size=n) for n in lengths],
    )


# -- Minari ------------------------------------------------------------------------------------

STORAGES = pytest.mark.parametrize("storage", ["hdf5", "arrow"])


def _stacked(space, values) -> Any:
    """Return observations as `minari.DataCollector` stacks them: lists below Dict and Tuple."""
    if isinstance(space, Dict):
        return {k: _stacked(part, [x[k] for x in values]) for k, part in space.spaces.items()}
    if isinstance(space, Tuple):
        return tuple(_stacked(part, [x[i] for x in values]) for i, part in enumerate(space.spaces))
    return list(values)


def _collected(env, storage, episodes=3, dataset_id="toys/some-v0") -> tuple[Any, list, list]:
    """Return a Minari dataset of random actions, and what it was given.

    Returns:
        The dataset, the observations and the actions of every episode.
    """
    states, actions = env.observation_space, env.action_space
    actions.seed(0)
    observations, taken, buffers = [], [], []
    for number in range(episodes):
        seen, done, ends = [env.reset(seed=number)[0]], [], []
        while not ends or not any(ends[-1]):
            done.append(actions.sample())
            state, _, terminated, truncated, _ = env.step(done[-1])
            seen.append(state)
            ends.append((terminated, truncated))
        terminations, truncations = map(list, zip(*ends, strict=True))
        parts = _stacked(states, seen), done, [1.0] * len(done), terminations, truncations, {}
        buffers.append(EpisodeBuffer(None, number, None, *parts))
        observations.append(seen)
        taken.append(done)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = minari.create_dataset_from_buffers(dataset_id, buffers, env, data_format=storage)
    return made, observations, taken


class _Spaces(gymnasium.Env):
    """Draws from the spaces that it is given, and terminates at random."""

    def __init__(self, states, actions):
        self.observation_space, self.action_space = states, actions

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        over = bool(self.np_random.random() < 0.2)
        return self.observation_space.sample(), 1.0, over, False, {}


SPACES = {
    "box": Box(-1.0, 1.0, (3,), np.float32),
    "matrix": Box(-1.0, 1.0, (2, 3), np.float64),
    "dict": Dict(
        {
            "z": Box(-1.0, 1.0, (2,)),
            "a": Discrete(3, start=1),
            "inner": Dict({"b": MultiBinary(2), "m": MultiDiscrete([2, 3])}),
        }
    ),
    "tuple": Tuple((Box(0, 9, (2, 2), np.int64), Discrete(2))),
    "discrete": Discrete(4),
}
ACTIONS = {
    "box": Box(-2.0, 2.0, (2,), np.float32),
    "matrix": Box(-2.0, 2.0, (2, 2), np.float32),
    "discrete": Discrete(3, start=2),
}


@STORAGES
@pytest.mark.parametrize(
    ("states", "actions"),
    [*((name, "box") for name in SPACES), ("box", "matrix"), ("dict", "discrete")],
)
def test_minari_datasets_are_flattened_as_gymnasium_does(storage, states, actions):
    env = gymnasium.wrappers.TimeLimit(_Spaces(SPACES[states], ACTIONS[actions]), 9)
    dataset, observations, taken = _collected(env, storage)
    shown = Demonstrations.load("minari:toys/some-v0", env_id="Some-v0")
    by_hand = [np.stack([flatten(SPACES[states], x) for x in seen]) for seen in observations]
    np.testing.assert_array_equal(shown.states, np.concatenate(by_hand).astype(np.float32))
    rows = np.concatenate([np.stack(x) for x in taken])
    expected = rows if actions == "discrete" else rows.reshape(len(rows), -1)
    np.testing.assert_array_equal(shown.actions, expected)
    assert shown.actions.dtype.kind == ("i" if actions == "discrete" else "f")
    assert shown.lengths.tolist() == [len(x) for x in taken]
    ended = [bool(episode.terminations[-1]) for episode in dataset]
    assert shown.terminated.tolist() == ended
    assert (shown.source, shown.env_id) == ("minari:toys/some-v0", "Some-v0")
    _assert_same(Demonstrations.from_minari(dataset, "Some-v0"), shown)
    folder = Path(dataset.storage.data_path).parent
    _assert_same(Demonstrations.load(folder, "Some-v0"), shown)


@STORAGES
def test_long_episode_comes_whole_and_some_episodes_by_themselves(storage, rng):
    dataset = _shown(rng, lengths=(2500, 3, 4)).to_minari("long-v0", data_format=storage)
    shown = Demonstrations.from_minari("long-v0")
    assert shown.lengths.tolist() == [2500, 3, 4]
    np.testing.assert_array_equal(shown.states[:2501, 1], np.arange(2501))
    some = dataset.filter_episodes(lambda episode: len(episode) < 4)
    np.testing.assert_array_equal(Demonstrations.from_minari(some).states, shown.states[2501:2505])


@STORAGES
@pytest.mark.parametrize("discrete", [False, True])
def test_demonstrations_come_back_from_minari(storage, discrete, rng):
    shown = _shown(rng, discrete)
    dataset = shown.to_minari(
        "mine/of/some-v3", data_format=storage, author="A. Author", algorithm_name="by hand"
    )
    _assert_same(Demonstrations.from_minari("mine/of/some-v3"), shown)
    assert dataset.storage.metadata["author"] == {"A. Author"}
    assert list(minari.list_local_datasets()) == ["mine/of/some-v3"]
    for episode, length, ended in zip(dataset, shown.lengths, shown.terminated, strict=True):
        assert len(episode.observations) == length + 1 == len(episode.actions) + 1
        assert not episode.terminations[:-1].any() and not episode.truncations[:-1].any()
        assert episode.terminations[-1] == ended != episode.truncations[-1]


@STORAGES
@pytest.mark.parametrize(("env_id", "steps"), [("ToyLinear-v0", 50), ("ToyAtOnce-v0", 1)])
def test_environment_is_recovered_from_what_was_written(storage, env_id, steps, warned):
    toys.register()
    expert = toys.LinearExpert() if env_id == "ToyLinear-v0" else _First()
    shown = toys.rolled_out(env_id, expert, 2)
    for number, env in enumerate((env_id, gymnasium.spec(env_id), gymnasium.make(env_id))):
        dataset = shown.to_minari(f"toy-v{number}", env, data_format=storage)
        recovered = dataset.recover_environment()
        assert recovered.spec.id == env_id
        assert dataset.observation_space == recovered.observation_space
        assert dataset.action_space == recovered.action_space
        _assert_same(Demonstrations.load(f"minari:toy-v{number}"), shown)
    assert [str(w.message) for w in warned] == []


def test_environment_that_cannot_be_written_is_named_with_a_warning(warned):
    if "ToyMade-v0" not in gymnasium.registry:
        gymnasium.register("ToyMade-v0", lambda: toys.Linear(), max_episode_steps=50)
    shown = toys.rolled_out("ToyMade-v0", toys.LinearExpert(), 1)
    shown.to_minari("toy-v0", "ToyMade-v0")
    (message,) = [str(w.message) for w in warned]
    assert message.startswith("minari:toy-v0: the dataset cannot recover its environment")
    _assert_same(Demonstrations.load("minari:toy-v0"), shown)


class _First:
    def act(self, state, rng):
        return np.ones(1, np.float32)


@STORAGES
@pytest.mark.parametrize("states", SPACES)
def test_states_are_put_back_into_the_space_they_were_flattened_from(storage, states):
    env = gymnasium.wrappers.TimeLimit(_Spaces(SPACES[states], ACTIONS["matrix"]), 9)
    first, *_ = _collected(env, storage)
    shown = Demonstrations.from_minari(first)
    again = shown.to_minari("again-v0", env, data_format=storage)
    assert again.observation_space == SPACES[states] and again.action_space == ACTIONS["matrix"]
    assert all(SPACES[states].contains(x) for x in _rows(again[0].observations, SPACES[states]))
    _assert_same(Demonstrations.from_minari("again-v0"), shown)


def _rows(values, space):
    """Return stacked observations one by one."""
    if isinstance(space, Dict):
        columns = [_rows(values[name], part) for name, part in space.spaces.items()]
        return [dict(zip(space.spaces, row, strict=True)) for row in zip(*columns, strict=True)]
    if isinstance(space, Tuple):
        return list(zip(*map(_rows, values, space.spaces), strict=True))
    return list(values)


def test_dataset_that_exists_is_neither_overwritten_nor_hidden(root, rng):
    _shown(rng).to_minari("mine-v0")
    before = {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}
    found = refusal("minari:mine-v0", _shown(rng).to_minari, "mine-v0")
    assert "exists" in found
    assert {p: p.read_bytes() for p in root.rglob("*") if p.is_file()} == before


def test_episodes_that_arrow_would_cut_are_neither_written_nor_read(root, rng):
    shown = _shown(rng, lengths=(33_000,))
    for storage in ("arrow", "parquet"):
        found = refusal("minari:long-v0", shown.to_minari, "long-v0", data_format=storage)
        assert found.startswith("episode 0: found 32767 actions") and "expected 33000" in found
        assert list(root.iterdir()) == []
    shown.to_minari("long-v0")
    _assert_same(Demonstrations.load("minari:long-v0"), shown)


def test_failed_write_leaves_nothing(root, rng):
    assert "arrrow" in refusal(
        "minari:us/b-v0", _shown(rng).to_minari, "us/b-v0", data_format="arrrow"
    )
    assert list(root.iterdir()) == []


# -- D4RL --------------------------------------------------------------------------------------

STEPS = 4, 1, 3, 2  # of four episodes; the last one is not finished
ENDS = ("timeout", "terminal", "terminal", "")


def _d4rl(**changes) -> dict[str, np.ndarray]:
    """Return the arrays of a file: observation [episode, step], action 10 episode + step."""
    episode = np.repeat(np.arange(len(STEPS)), STEPS)
    step = np.concatenate([np.arange(n) for n in STEPS])
    last = np.append(np.diff(episode) > 0, False)
    kinds = np.array(ENDS)[episode]
    arrays = {
        "observations": np.stack([episode, step], 1).astype(np.float32),
        "next_observations": np.stack([episode, step + 1], 1).astype(np.float32),
        "actions": (10.0 * episode + step)[:, None].astype(np.float32),
        "rewards": np.ones(len(step), np.float32),
        "terminals": last & (kinds == "terminal"),
        "timeouts": last & (kinds == "timeout"),
    } | changes
    return {name: array for name, array in arrays.items() if array is not None}


def _hdf5(path: Path, arrays: dict[str, Any]) -> Path:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return path


def _columns(shown):
    """Return (states, action codes) of every episode as tuples."""
    states = np.split(shown.states, np.cumsum(shown.lengths + 1)[:-1])
    actions = np.split(shown.actions, np.cumsum(shown.lengths)[:-1])
    return [
        ([tuple(map(int, row)) for row in s], [int(x) for x in np.ravel(a)])
        for s, a in zip(states, actions, strict=True)
    ]


def _by_hand(steps):
    """Return what `_columns` should find for (episode, actions) with all their states."""
    return [([(e, t) for t in range(n + 1)], [10 * e + t for t in range(n)]) for e, n in steps]


@pytest.mark.parametrize("name", ["some.hdf5", "some.h5", "some.data"])
@pytest.mark.parametrize("timeouts", [True, False])
def test_d4rl_with_next_observations_has_every_state(tmp_path, name, timeouts, warned):
    arrays = _d4rl(**{} if timeouts else {"timeouts": None})
    arrays["infos/goal"], arrays["metadata/algorithm"] = np.zeros(10), "SAC"
    shown = Demonstrations.load(_hdf5(tmp_path / name, arrays), env_id="Some-v0")
    assert _columns(shown) == _by_hand(enumerate(STEPS))
    assert shown.terminated.tolist() == [False, True, True, False]
    assert (shown.env_id, shown.ends_recorded, shown.expert_return) == ("Some-v0", True, 2.5)
    np.testing.assert_array_equal(shown.terminal_states(), [[1, 1], [2, 3]])
    assert not warned


def test_d4rl_without_next_observations_leaves_out_what_has_no_next_state(tmp_path, warned):
    path = _hdf5(tmp_path / "some.hdf5", _d4rl(next_observations=None))
    shown = Demonstrations.load(path)
    (message,) = [str(w.message) for w in warned]
    assert message.startswith(f"{path}: no next_observations: the last action of 4 episodes")
    assert "1 of them ended in states that are not in the file" in message and "\n" not in message
    # an episode of one step has no step whose next state is known
    assert _columns(shown) == _by_hand([(0, 3), (2, 2), (3, 1)])
    assert shown.terminated.tolist() == [False, True, False]
    assert shown.terminal_states().shape == (0, 2)  # not the states before
    assert shown.return_mean == 2.0 and shown.expert_return == 2.5  # every reward counts
    shown.save(tmp_path / "kept.npz")
    again = Demonstrations.load(tmp_path / "kept.npz")
    _assert_same(again, shown)
    assert again.sha256 == shown.sha256 and not again.ends_recorded
    assert not again.sample(2).for_spec(toys.make(toys.linear(), 0).spec).ends_recorded


def test_d4rl_without_terminals_in_it_is_cut_off_and_its_ends_are_known(tmp_path, warned):
    arrays = _d4rl(next_observations=None, timeouts=None, terminals=np.zeros(10))
    shown = Demonstrations.load(_hdf5(tmp_path / "some.hdf5", arrays))
    (message,) = [str(w.message) for w in warned]
    assert "no timeouts: " in message and "ended in states" not in message
    assert (shown.lengths.tolist(), shown.terminated.tolist()) == ([9], [False])
    assert shown.ends_recorded


def test_d4rl_columns_of_other_shapes_and_types_are_read(tmp_path):
    arrays = _d4rl()
    expected = Demonstrations.load(_hdf5(tmp_path / "a.hdf5", arrays))
    for name in ("rewards", "terminals", "timeouts"):
        arrays[name] = arrays[name][:, None].astype(np.float64)
    arrays["observations"] = arrays["observations"].astype(np.float64)
    _assert_same(Demonstrations.load(_hdf5(tmp_path / "b.hdf5", arrays)), expected)
    arrays |= {"actions": np.arange(10)[:, None], "rewards": None}
    del arrays["rewards"]
    shown = Demonstrations.load(_hdf5(tmp_path / "c.hdf5", arrays))
    np.testing.assert_array_equal(shown.actions, np.arange(10))
    assert np.isnan(shown.expert_return)
    arrays |= {name: arrays[name] > 0 for name in ("observations", "next_observations")}
    shown = Demonstrations.load(_hdf5(tmp_path / "d.hdf5", arrays))
    np.testing.assert_array_equal(np.unique(shown.states), [0, 1])


def test_rounding_of_next_observations_is_no_end(tmp_path):
    arrays = _d4rl(timeouts=None)
    arrays["next_observations"] = arrays["next_observations"] * (1 + 1e-7) + 1e-7
    shown = Demonstrations.load(_hdf5(tmp_path / "some.hdf5", arrays))
    assert tuple(shown.lengths) == STEPS


# -- imitation ---------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _Trajectory:
    """As `imitation.data.types.TrajectoryWithRew`."""

    obs: Any
    acts: Any
    infos: Any
    terminal: bool
    rews: Any


def _trajectories(shown) -> list[dict[str, Any]]:
    steps = np.cumsum(shown.lengths)[:-1]
    parts = zip(
        np.split(shown.states, np.cumsum(shown.lengths + 1)[:-1]),
        np.split(shown.actions, steps),
        shown.terminated.tolist(),
        np.split(shown.rewards, steps),
        strict=True,
    )
    names = ("obs", "acts", "terminal", "rews")
    made = [dict(zip(names, part, strict=True)) for part in parts]
    return [{**x, "infos": ['{"py/object": "os.system"}'] * len(x["acts"])} for x in made]


def _saved(folder: Path, trajectories: list[dict[str, Any]]) -> Path:
    columns = {name: [x[name] for x in trajectories] for name in trajectories[0]}
    datasets.Dataset.from_dict(columns).save_to_disk(str(folder))
    return folder


@pytest.mark.parametrize("rewards", [True, False])
@pytest.mark.parametrize("discrete", [False, True])
def test_trajectories_of_imitation_are_read_from_memory_and_from_a_folder(
    tmp_path, rng, discrete, rewards
):
    shown = _shown(rng, discrete)
    given = _trajectories(shown)
    objects = [_Trajectory(**x) for x in given]
    if not rewards:
        given = [{name: x[name] for name in x if name != "rews"} for x in given]
        objects = [dataclasses.replace(x, rews=None) for x in objects]
    folder = _saved(tmp_path / "saved", given)
    for found in (
        Demonstrations.from_trajectories(given),
        Demonstrations.from_trajectories(objects),
        Demonstrations.load(folder),
    ):
        _assert_same(found, shown, without=() if rewards else ("rewards",))
        assert np.isnan(found.rewards).all() != rewards
    assert Demonstrations.load(folder, "Some-v0").env_id == "Some-v0"


def test_trajectories_of_images_and_matrices_are_flattened(rng):
    obs, acts = rng.integers(0, 255, (4, 2, 2, 3), np.uint8), rng.normal(size=(3, 2, 2))
    shown = Demonstrations.from_trajectories([{"obs": obs, "acts": acts, "terminal": True}])
    np.testing.assert_array_equal(shown.states, obs.reshape(4, 12))
    np.testing.assert_array_equal(shown.actions, acts.reshape(3, 4).astype(np.float32))


# -- what is refused ---------------------------------------------------------------------------


def _bad_hdf5(change, **changes):
    """Return a maker of an HDF5 file whose arrays or bytes are changed."""

    def make(folder, rng):
        arrays = _d4rl(**{k: v(_d4rl()[k]) if callable(v) else v for k, v in changes.items()})
        path = _hdf5(folder / "bad.hdf5", arrays)
        if change:
            path.write_bytes(change(path.read_bytes()))
        return lambda: Demonstrations.load(path)

    return make


def _bad_file(name, content):
    def make(folder, rng):
        (folder / name).write_bytes(content)
        return lambda: Demonstrations.load(folder / name)

    return make


def _bad_folder(*files):
    def make(folder, rng):
        for name in files:
            path = folder / "folder" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("{}")
        (folder / "folder").mkdir(exist_ok=True)
        return lambda: Demonstrations.load(folder / "folder")

    return make


def _bad_trajectory(saved=False, **changes):
    """Return a maker of trajectories, in memory or saved, whose second one is changed."""

    def make(folder, rng):
        given = _trajectories(_shown(rng))
        for name, change in changes.items():
            if change is None:
                for trajectory in given if saved else given[1:2]:
                    del trajectory[name]
            else:
                given[1][name] = change(given[1][name])
        if not saved:
            return lambda: Demonstrations.from_trajectories(given)
        path = _saved(folder / "saved", given)
        return lambda: Demonstrations.load(path)

    return make


def _bad_saved(change):
    """Return a maker of a folder that `datasets` saved, with changed files."""

    def make(folder, rng):
        path = _saved(folder / "saved", _trajectories(_shown(rng)))
        change(path)
        return lambda: Demonstrations.load(path)

    return make


def _cut(path):
    (arrow,) = path.glob("*.arrow")
    arrow.write_bytes(arrow.read_bytes()[:-300])


def _bad_minari(storage, change):
    """Return a maker of a Minari dataset whose folder is changed."""

    def make(folder, rng):
        _shown(rng).to_minari("bad-v0", data_format=storage)
        change(folder / "minari/bad-v0/data")
        return lambda: Demonstrations.load("minari:bad-v0")

    return make


def _edited(name, old, new):
    def change(data):
        text = (data / name).read_text()
        assert old in text
        (data / name).write_text(text.replace(old, new))

    return change


def _shorter_episode(data):
    with h5py.File(data / "main_data.hdf5", "a") as file:
        group = file["episode_2"]
        for name in ("observations", "actions", "rewards", "terminations", "truncations"):
            rows = group[name][:-2]
            del group[name]
            group[name] = rows


def _to_minari(dataset_id="mine-v0", **options):
    return lambda folder, rng: lambda: _shown(rng).to_minari(dataset_id, **options)


def _minari_of(states, actions):
    """Return a maker of a Minari dataset of these spaces."""

    def make(folder, rng):
        env = gymnasium.wrappers.TimeLimit(_Spaces(states, actions), 4)
        dataset, *_ = _collected(env, "hdf5")
        return lambda: Demonstrations.from_minari(dataset)

    return make


def _load(name):
    return lambda folder, rng: lambda: Demonstrations.load(name)


def _zip(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return file.getvalue()


NAN = np.float32("nan")
BAD = {  # what is made: (maker of a call, what its line names)
    # files of other kinds
    "missing": (_load("no/such.hdf5"), "no/such.hdf5: no such demonstration file"),
    "empty": (_bad_file("a.npz", b""), "an empty file"),
    "text": (_bad_file("a.csv", b"state,action\n1,2\n"), "a CSV or text file"),
    "text as npz": (_bad_file("a.npz", b"state,action\n1,2\n"), "a CSV or text file"),
    "text as HDF5": (_bad_file("a.hdf5", b"state,action\n1,2\n"), "a CSV or text file"),
    "JSON": (_bad_file("a.json", b'{"obs": [1]}'), "a JSON file"),
    "pickle": (_bad_file("a.pkl", pickle.dumps([1, 2])), "a pickle"),
    "pickle as npz": (_bad_file("a.npz", pickle.dumps([1, 2])), "a pickle"),
    "picture": (_bad_file("a.npz", b"\x89PNG\r\n\x1a\n\0\0"), "a PNG picture"),
    "Parquet": (_bad_file("a.parquet", b"PAR1\0\0"), "a Parquet file"),
    "gzip": (_bad_file("a.npz", b"\x1f\x8b\0\0"), "a gzip file"),
    "binary": (_bad_file("a.bin", bytes(range(256))), "a file of an unknown kind"),
    "policy": (_bad_file("a.npz", _zip("layer00.npy")), "a policy file (npz)"),
    "weights": (_bad_file("a.zip", _zip("policy.pth", "data")), "a zip file with pickles"),
    "zip": (_bad_file("a.zip", _zip("readme.txt")), "a zip file that is no npz"),
    "cut npz": (_bad_file("a.npz", _zip("states.npy")[:-9]), "a damaged zip or npz file"),
    # folders
    "empty folder": (_bad_folder(), "an empty folder"),
    "folder of nothing": (_bad_folder("notes.txt"), "a folder (it holds notes.txt)"),
    "SavedModel": (_bad_folder("saved_model.pb", "metadata.json"), "a SavedModel folder"),
    "run": (_bad_folder("config.json", "progress.csv"), "the folder of a run"),
    "parts": (_bad_folder("dataset_dict.json", "train/a"), "several parts (train)"),
    # HDF5
    "cut HDF5": (_bad_hdf5(lambda b: b[:-700]), "not a whole HDF5 file"),
    "beginning of HDF5": (_bad_hdf5(lambda b: b[:64]), "not a whole HDF5 file"),
    "no observations": (_bad_hdf5(None, observations=None), "without `observations`"),
    "no terminals": (_bad_hdf5(None, terminals=None), "without `terminals`"),
    "group": (
        lambda folder, rng: (
            lambda: Demonstrations.load(
                _hdf5(folder / "a.h5", {"observations/x": [1], "actions": [1], "terminals": [1]})
            )
        ),
        "observations: found a group (x)",
    ),
    "flat observations": (_bad_hdf5(None, observations=np.ravel), "observations: found [20]"),
    "few actions": (_bad_hdf5(None, actions=lambda a: a[:-1]), "actions: found [9, 1]"),
    "many rewards": (_bad_hdf5(None, rewards=np.zeros((10, 2))), "rewards: found [10, 2]"),
    "next states": (_bad_hdf5(None, next_observations=np.zeros((10, 3))), "next_observations: "),
    "strings": (_bad_hdf5(None, actions=np.array([b"a"] * 10)), "actions: found |S1[10]"),
    "NaN": (_bad_hdf5(None, observations=lambda a: a * NAN), "states: values that are NaN"),
    "single steps": (
        _bad_hdf5(None, next_observations=None, terminals=np.ones(10, bool)),
        "10 episodes of one step",
    ),
    "no rows": (
        _bad_hdf5(None, **{k: (lambda a: a[:0]) for k in _d4rl()}),
        "observations: found [0, 2]",
    ),
    # trajectories
    "N obs": (_bad_trajectory(obs=lambda a: a[:-1]), "trajectory 1: obs: found 1 of 1 acts"),
    "no acts": (_bad_trajectory(acts=None), "trajectory 1: found no acts in a dict"),
    "no terminal": (_bad_trajectory(terminal=None), "trajectory 1: found no terminal"),
    "terminal text": (_bad_trajectory(terminal=str), "terminal: found 'False', expected true"),
    "rews": (_bad_trajectory(rews=lambda a: [*a, 1.0]), "rews: found 2 of 1 acts"),
    "some rews": (_bad_trajectory(rews=None), "rews in 2 of 3 trajectories"),
    "NaN in obs": (_bad_trajectory(obs=lambda a: a * NAN), "states: values that are NaN"),
    "Dict obs": (_bad_trajectory(obs=lambda a: {"x": a}), "obs: found a dict"),
    "ragged obs": (_bad_trajectory(obs=lambda a: [[1.0], [1.0, 2.0]]), "obs: found a list"),
    "wider obs": (_bad_trajectory(obs=lambda a: np.c_[a, a]), "states: sizes after the first"),
    "wider acts": (_bad_trajectory(acts=lambda a: np.c_[a, a]), "actions: sizes after the first"),
    "one trajectory": (
        lambda folder, rng: lambda: Demonstrations.from_trajectories({"obs": []}),
        "found a dict, expected a list of trajectories",
    ),
    "no trajectory": (
        lambda folder, rng: lambda: Demonstrations.from_trajectories([]),
        "found no trajectory",
    ),
    "objects": (
        lambda folder, rng: lambda: Demonstrations.from_trajectories([object()]),
        "trajectory 0: found no obs, acts, terminal in a object",
    ),
    "no step": (
        _bad_trajectory(acts=lambda a: a[:0], obs=lambda a: a[:1], rews=lambda a: a[:0]),
        "an episode of length 0",
    ),
    # folders that `datasets` saved
    "no obs column": (_bad_trajectory(saved=True, obs=None), "no column obs among acts"),
    "N obs saved": (_bad_trajectory(saved=True, obs=lambda a: a[:-1]), "obs: found 1 of 1 acts"),
    "cut Arrow": (_bad_saved(_cut), "not a whole folder of `datasets`"),
    "no state.json": (
        _bad_saved(lambda path: (path / "state.json").unlink()),
        "not a whole folder of `datasets`",
    ),
    "no data": (
        _bad_saved(lambda path: next(path.glob("*.arrow")).unlink()),
        "not a whole folder of `datasets`",
    ),
    # Minari
    "malformed id": (_load("minari:a b"), "dataset id: found 'a b'"),
    "no version": (_load("minari:mujoco/hopper/expert"), "dataset id: found "),
    "no id": (_load("minari:"), "dataset id: found ''"),
    "path as id": (_load("minari:../../etc-v0"), "dataset id: found "),
    "another object": (
        lambda folder, rng: lambda: Demonstrations.from_minari(3),
        "minari:dataset: found a int",
    ),
    "cut episode": (_bad_minari("hdf5", _shorter_episode), "episode 2: found 6 actions"),
    "total_steps": (
        _bad_minari("hdf5", _edited("metadata.json", '"total_steps": 14', '"total_steps": 15')),
        "total_steps: found 14 in the data, expected 15",
    ),
    "total_steps in Arrow": (
        _bad_minari("arrow", _edited("2/metadata.json", "8", "9")),
        "episode 2: found 8 actions and 9 observations in the data, expected 9 and 10",
    ),
    "another storage": (
        _bad_minari("hdf5", _edited("metadata.json", '"hdf5"', '"csv"')),
        "bad-v0: cannot be read",
    ),
    "cut dataset": (
        _bad_minari("hdf5", lambda data: (data / "main_data.hdf5").write_bytes(b"\x89HDF")),
        "bad-v0: cannot be read",
    ),
    "no metadata": (
        _bad_minari("hdf5", lambda data: (data / "metadata.json").unlink()),
        "bad-v0: cannot be read",
    ),
    "lost episode": (
        _bad_minari("arrow", lambda data: shutil.rmtree(data / "1")),
        "bad-v0: cannot be read",
    ),
    "states of any size": (
        _minari_of(gymnasium.spaces.Text(5), MultiDiscrete([2, 2])),
        "action space: found MultiDiscrete",
    ),
    "malformed id to write": (_to_minari("mine"), "dataset id: found 'mine'"),
    "no such environment": (_to_minari(env="NoSuch-v0"), "env: cannot be made"),
    "no environment": (_to_minari(env=3), "env: found a int"),
    "other states": (_to_minari(env="Pendulum-v1"), "actions float32[14, 2], expected those of"),
    "other sizes": (_to_minari(env="CartPole-v1"), "states of 3 components, expected those of"),
    "no such storage": (_to_minari(data_format="csv"), "cannot be written"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_demonstrations_is_refused_in_one_line(tmp_path, rng, name):
    maker, named = BAD[name]
    call = maker(tmp_path, rng)
    before = sorted(tmp_path.rglob("*"))
    for module in ("datasets", "minari"):  # what their import takes is not counted
        importlib.import_module(module)
    begun = time.process_time()
    with pytest.raises(BadInput) as refused:
        call()
    assert time.process_time() - begun < 2.0
    message = str(refused.value)
    assert named in message and "\n" not in message and len(message) < 400
    assert "allow_pickle" not in message and "Traceback" not in message
    assert sorted(tmp_path.rglob("*")) == before or name == "group"


@pytest.mark.parametrize(
    ("module", "extra", "path"),
    [
        ("h5py", "hdf5", "a.hdf5"),
        ("datasets", "huggingface", "saved"),
        ("minari", "minari", "minari:a-v0"),
    ],
)
def test_extra_that_is_not_installed_is_named(tmp_path, rng, monkeypatch, module, extra, path):
    _hdf5(tmp_path / "a.hdf5", _d4rl())
    _saved(tmp_path / "saved", _trajectories(_shown(rng)))
    monkeypatch.setitem(sys.modules, module, None)
    path = path if ":" in path else str(tmp_path / path)
    assert f"pip install -e '.[{extra}]'" in refusal(path, Demonstrations.load, path)


def test_dataset_that_is_not_here_says_so_soon_without_a_network(root, monkeypatch):
    class Offline:
        def head(self, url, timeout):
            assert timeout <= 5
            raise OSError("[Errno -2] Name or service not known")

    monkeypatch.setattr(huggingface_hub, "get_session", Offline)
    found = refusal(
        "minari:mujoco/hopper/expert-v0", Demonstrations.load, "minari:mujoco/hopper/expert-v0"
    )
    assert found.startswith("not here, and could not be downloaded (OSError: [Errno -2]")
    assert str(root) in found and list(root.iterdir()) == []


def test_dataset_that_is_not_here_is_downloaded(monkeypatch, rng):
    """A remote dataset, with Minari's own download in place of the network."""
    shown, fetched = _shown(rng), []

    class Online:
        def head(self, url, timeout):
            return None

    def download(dataset_id):
        fetched.append(dataset_id)
        shown.to_minari(dataset_id)

    monkeypatch.setattr(huggingface_hub, "get_session", Online)
    monkeypatch.setattr(minari, "download_dataset", download)
    for _ in range(2):
        _assert_same(Demonstrations.load("minari:far/away-v0"), shown)
    assert fetched == ["far/away-v0"]


# -- what is imported --------------------------------------------------------------------------


@pytest.mark.slow
def test_no_format_loads_tensorflow(tmp_path, rng):
    shown = _shown(rng)
    shown.save(tmp_path / "a.npz")
    shown.to_minari("a-v0")
    _hdf5(tmp_path / "a.hdf5", _d4rl())
    _saved(tmp_path / "folder", _trajectories(shown))
    code = f"""
import sys
from mgail_tf import Demonstrations
assert not {{"gymnasium", "minari", "h5py", "datasets", "tensorflow"}} & {{*sys.modules}}
for name in ("a.npz", "a.hdf5", "folder", "minari:a-v0"):
    path = name if ":" in name else {str(tmp_path)!r} + "/" + name
    print(Demonstrations.load(path).summary().short())
print({{"tensorflow", "keras", "torch"}} & {{*sys.modules}})
"""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.endswith("set()\n"), done.stderr
