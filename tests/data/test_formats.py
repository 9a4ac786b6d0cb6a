"""Other people's formats: what is written comes back, what is read is what they hold."""

import dataclasses
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import datasets
import gymnasium
import h5py
import minari
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple, flatten
from minari.data_collector import EpisodeBuffer

from mgail_tf.data.demonstrations import Demonstrations
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
