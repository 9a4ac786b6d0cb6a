"""Demonstrations in the formats of others: Minari, D4RL's HDF5, `imitation`'s trajectories.

Each reader returns `Recorded`, of which `Demonstrations` are made. The libraries that a format
needs are imported when it is read or written. Nothing pickled is ever read.
"""

import math
import os
import tempfile
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mgail_tf.errors import UNREADABLE, BadInput, one_line
from mgail_tf.files import most_unpacked
from mgail_tf.optional import imported

MINARI_PREFIX = "minari:"
NPZ, HDF5 = "an npz file", "an HDF5 file"
TRAJECTORIES, MINARI = "a folder that `datasets` saved", "the folder of a Minari dataset"
EXPECTED = "demonstrations: an npz or HDF5 file, a folder of imitation's trajectories, or minari:ID"
_SECONDS = 3.0  # to wait for an answer before a download
_ROUNDING = 1e-5  # of a component's largest magnitude: less is no difference


class Recorded(NamedTuple):
    """Whole episodes, as the fields of `Demonstrations` but one array an episode."""

    states: Sequence[ArrayLike]  # [N_e + 1, S] each
    actions: Sequence[ArrayLike]  # [N_e, A] in environment units, or integers [N_e]
    terminated: ArrayLike  # [E]
    rewards: Sequence[ArrayLike] | None = None  # [N_e] each
    env_id: str = ""  # "": the format does not say
    ends_recorded: bool = True
    expert_return: float = np.nan  # NaN: what the rewards say


# -- what a path holds -------------------------------------------------------------------------

_BEGINNINGS = {  # of a file's content
    b"\x89HDF\r\n\x1a\n": HDF5,
    b"\x93NUMPY": "a single NumPy array (npy)",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"%PDF": "a PDF document",
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"\x1f\x8b": "a gzip file",
    b"BZh": "a bzip2 file",
    b"\x80": "a pickle",
    b"PK": "a damaged zip or npz file",  # one that is whole is recognised before
}


def kind_of(path: Path) -> str:
    """Return what a path holds, in words: `NPZ`, `HDF5`, `TRAJECTORIES`, `MINARI` or another thing.

    Raises:
        BadInput: there is nothing there, or it cannot be read.
    """
    try:
        if path.is_dir():
            return _kind_of_folder(path)
        if not path.exists():
            raise BadInput(f"{path}: no such demonstration file")
        if not path.is_file():
            return "neither a file nor a folder"
        if zipfile.is_zipfile(path):
            return _kind_of_zip(path)
        with path.open("rb") as file:
            beginning = file.read(4096)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror or one_line(error)})") from error
    if not beginning:
        return "an empty file"
    for signature, kind in _BEGINNINGS.items():
        if beginning.startswith(signature):
            return kind
    text = beginning.decode("utf-8", "ignore")
    if len(text.encode()) < len(beginning) - 3 or any(
        ord(x) < 32 and x not in "\r\n\t" for x in text
    ):
        # HDF5 files may begin with a block of the user's
        return HDF5 if path.suffix in (".hdf5", ".h5") else "a file of an unknown kind"
    return "a JSON file" if text.lstrip().startswith(("{", "[")) else "a CSV or text file"


def _kind_of_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except UNREADABLE:
        return "a damaged zip or npz file"
    if "layer00.npy" in names:
        return "a policy file (npz)"
    if any(name.endswith((".pkl", ".pth")) for name in names):
        return "a zip file with pickles"
    return NPZ if all(name.endswith(".npy") for name in names) else "a zip file that is no npz"


def _kind_of_folder(path: Path) -> str:
    holds = {entry.name for entry in path.iterdir()}
    if not holds:
        return "an empty folder"
    if {"dataset_info.json", "state.json"} & holds:
        return TRAJECTORIES
    if "dataset_dict.json" in holds:
        parts = ", ".join(sorted(x.name for x in path.iterdir() if x.is_dir()))
        return f"a folder of several parts ({parts}) in place of one of them"
    if (path / "data" / "metadata.json").is_file():
        return MINARI
    if "saved_model.pb" in holds:
        return "a SavedModel folder"
    if {"progress.csv", "final.json", "policy.npz"} & holds:
        return "the folder of a run"
    return f"a folder (it holds {', '.join(sorted(holds)[:4])})"


def _numbers(source: str, field: str, values: Any) -> np.ndarray:
    """Return an array of numbers; booleans are 0 and 1.

    Raises:
        BadInput: it is something else.
    """
    try:
        array = np.asarray(values)
    except ValueError:  # rows of different sizes
        array = np.empty(0, object)
    if array.dtype.kind not in "fiub" or not array.ndim:
        found = f"a {type(values).__name__}"
        found += f" of {array.dtype}{list(array.shape)}" if isinstance(values, np.ndarray) else ""
        raise BadInput(f"{source}: {field}: found {found}, expected an array of numbers")
    return array.astype(np.float32) if array.dtype.kind == "b" else array


def _actions(array: np.ndarray) -> np.ndarray:
    """Return actions as `Demonstrations` hold them: integers [N], or floats [N, A] by ravel."""
    if array.dtype.kind in "iu" and array.size == len(array):
        return array.reshape(-1)
    return array.reshape(len(array), math.prod(array.shape[1:])).astype(np.float32)


# -- D4RL --------------------------------------------------------------------------------------

_COLUMNS = ("observations", "actions", "rewards", "terminals", "timeouts", "next_observations")
_NEEDED = ("observations", "actions", "terminals")


def read_hdf5(path: Path) -> Recorded:
    """Read a flat HDF5 file, as those of D4RL are (extra: hdf5).

    The file holds N steps of all episodes, one after the other:
        observations       [N, S]
        actions            [N, A], or integers [N]
        terminals          booleans [N], the task ended after the step
        timeouts           booleans [N], the episode was cut off after the step; optional
        next_observations  [N, S]; optional
        rewards            [N]; optional

    An episode ends where `terminals` or `timeouts` say so, where `next_observations` is not the
    observation that follows, and at the end of the file. It terminated if `terminals` says so.

    Without `next_observations` the state after an episode's last action is unknown. Then that
    action is left out, and the observation in which it was taken is the episode's last state. The
    expert's return still counts its reward. An episode that terminated stays terminated, so that
    ends are judged as they should be, but the state in which the task ended is not in the file:
    `Demonstrations.ends_recorded` is False, and nothing is learnt of where the expert ends. One
    warning says so. (The observation before is no substitute: where a task ends by crossing a line,
    it lies on the other side of it.)

    Raises:
        BadInput: the file is damaged, lacks an array, or its arrays do not fit together.
    """
    arrays = _hdf5_arrays(path)
    observations, actions = arrays["observations"], _actions(arrays["actions"])
    terminals = arrays["terminals"].reshape(-1).astype(bool)
    following = arrays.get("next_observations")
    over = terminals.copy()
    if "timeouts" in arrays:
        over |= arrays["timeouts"].reshape(-1).astype(bool)
    if following is not None:
        before, after = (x.astype(np.float64) for x in (following[:-1], observations[1:]))
        rounding = _ROUNDING * np.abs(observations.astype(np.float64)).max(0)
        over[:-1] |= (np.abs(before - after) > rounding).any(1)
    over[-1] = True
    ends = np.flatnonzero(over) + 1
    rewards = arrays["rewards"].reshape(-1) if "rewards" in arrays else None
    episodes = [slice(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
    expert_return = np.nan
    if rewards is not None:
        expert_return = float(np.mean([rewards[e].sum(dtype=np.float64) for e in episodes]))
    if following is not None:
        states = [
            np.concatenate([observations[e], following[e.stop - 1 : e.stop]]) for e in episodes
        ]
        ended = [terminals[e.stop - 1] for e in episodes]
        paid = None if rewards is None else [rewards[e] for e in episodes]
        taken = [actions[e] for e in episodes]
        return Recorded(states, taken, ended, paid, expert_return=expert_return)
    episodes = [e for e in episodes if e.stop - e.start > 1]
    if not episodes:
        found = f"{len(ends)} episodes of one step"
        raise BadInput(f"{path}: next_observations: found none, and {found}; expected longer ones")
    ended = [terminals[e.stop - 1] for e in episodes]
    steps = [slice(e.start, e.stop - 1) for e in episodes]  # whose next state is known
    paid = None if rewards is None else [rewards[e] for e in steps]
    found = f"no next_observations: the last action of {len(ends)} episodes is left out"
    if any(ended):
        found += f"; {sum(ended)} of them ended in states that are not in the file"
    if "timeouts" not in arrays:
        found += "; no timeouts: an episode that was cut off is joined to the one after it"
    warnings.warn(f"{path}: {found}", stacklevel=3)
    return Recorded(
        [observations[e] for e in episodes],
        [actions[e] for e in steps],
        ended,
        paid,
        ends_recorded=not any(ended),
        expert_return=expert_return,
    )


def _hdf5_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a D4RL file, all of N rows."""
    h5py = imported(str(path), "h5py", "hdf5")
    try:
        with h5py.File(path, "r") as file:
            if missing := [name for name in _NEEDED if name not in file]:
                held = ", ".join(sorted(file)[:6]) or "nothing"
                found = f"an HDF5 file without `{missing[0]}` (it holds {held})"
                raise BadInput(f"{path}: found {found}, expected {', '.join(_COLUMNS)}")
            arrays = {name: _hdf5_array(path, file, name) for name in _COLUMNS if name in file}
    except BadInput:
        raise
    except Exception as error:  # HDF5 raises many kinds on damaged files
        raise BadInput(f"{path}: not a whole HDF5 file ({one_line(error)})") from error
    states = arrays["observations"].shape
    if len(states) != 2 or not states[0]:
        raise BadInput(f"{path}: observations: found {list(states)}, expected [N, S]")
    for name, array in arrays.items():
        steps, start = states[0], f"{path}: {name}: found {list(array.shape)}, expected"
        if len(array) != steps:
            raise BadInput(f"{start} {steps} rows as observations")
        if name in ("rewards", "terminals", "timeouts") and array.size != steps:
            raise BadInput(f"{start} [{steps}]")
        if name == "next_observations" and array.shape != states:
            raise BadInput(f"{start} {list(states)}")
    return arrays


def _hdf5_array(path: Path, file: Any, name: str) -> np.ndarray:
    entry = file[name]
    if not hasattr(entry, "nbytes"):
        held = ", ".join(sorted(entry)[:6])
        raise BadInput(f"{path}: {name}: found a group ({held}), expected an array")
    if entry.nbytes > most_unpacked(path):
        found = f"{entry.nbytes} bytes, packed into {path.stat().st_size}"
        raise BadInput(f"{path}: {name}: found {found}, expected at most 20 times as much")
    if entry.dtype.kind not in "fiub":
        found = f"{entry.dtype}{list(entry.shape)}"
        raise BadInput(f"{path}: {name}: found {found}, expected numbers")
    return _numbers(str(path), name, entry[()])


# -- imitation ---------------------------------------------------------------------------------

_REQUIRED = ("obs", "acts", "terminal")


def read_huggingface(path: Path) -> Recorded:
    """Read a folder of `imitation`'s trajectories, which `datasets` saved (extra: huggingface).

    It has a row an episode, with the columns `obs`, `acts`, `terminal` and perhaps `rews`. Other
    columns, such as the encoded objects of `infos`, are not read.

    Raises:
        BadInput: the folder is damaged or lacks a column.
    """
    datasets = imported(str(path), "datasets", "huggingface")
    try:
        whole = datasets.load_from_disk(str(path))
        columns = [x for x in (*_REQUIRED, "rews") if x in whole.column_names]
        missing = [x for x in _REQUIRED if x not in columns]
        held = ", ".join(whole.column_names)
        rows = [] if missing else list(whole.select_columns(columns).with_format("numpy"))
    except Exception as error:  # Arrow raises many kinds on damaged files
        raise BadInput(f"{path}: not a whole folder of `datasets` ({one_line(error)})") from error
    if missing:
        found = f"no column {', '.join(missing)} among {held}"
        raise BadInput(f"{path}: found {found}; expected {', '.join(_REQUIRED)} of trajectories")
    return read_trajectories(rows, str(path))


def read_trajectories(trajectories: Sequence[Any], source: str) -> Recorded:
    """Read trajectories that are in memory; see `Demonstrations.from_trajectories`.

    Raises:
        BadInput: one of them lacks something, or its arrays do not fit together.
    """
    if isinstance(trajectories, str | bytes | Mapping) or not isinstance(trajectories, Sequence):
        found = type(trajectories).__name__
        raise BadInput(f"{source}: found a {found}, expected a list of trajectories")
    if not trajectories:
        raise BadInput(f"{source}: found no trajectory, expected at least one")
    states, actions, terminated, rewards = [], [], [], []
    for i, trajectory in enumerate(trajectories):
        name, held = f"{source}: trajectory {i}", trajectory
        if not isinstance(trajectory, Mapping):
            held = {
                x: getattr(trajectory, x) for x in (*_REQUIRED, "rews") if hasattr(trajectory, x)
            }
        if missing := [x for x in _REQUIRED if held.get(x) is None]:
            found = f"no {', '.join(missing)} in a {type(trajectory).__name__}"
            raise BadInput(f"{name}: found {found}; expected {', '.join(_REQUIRED)}")
        obs, acts = (_numbers(name, x, held[x]) for x in ("obs", "acts"))
        if len(obs) != len(acts) + 1:
            found, expected = f"{len(obs)} of {len(acts)} acts", "one more than acts"
            raise BadInput(f"{name}: obs: found {found}, expected {expected}")
        if obs.ndim < 2:
            raise BadInput(f"{name}: obs: found {list(obs.shape)}, expected [N + 1, S]")
        terminal = np.asarray(held["terminal"])
        if terminal.size != 1 or terminal.dtype.kind not in "biu":
            found = " ".join(repr(held["terminal"]).split())[:60]
            raise BadInput(f"{name}: terminal: found {found}, expected true or false")
        states.append(obs.reshape(len(obs), -1))
        actions.append(_actions(acts))
        terminated.append(bool(terminal))
        if held.get("rews") is not None:
            rewards.append(_numbers(name, "rews", held["rews"]).reshape(-1))
            if len(rewards[-1]) != len(acts):
                found = f"{len(rewards[-1])} of {len(acts)} acts"
                raise BadInput(f"{name}: rews: found {found}, expected as many as acts")
    if rewards and len(rewards) < len(trajectories):
        found = f"rews in {len(rewards)} of {len(trajectories)} trajectories"
        raise BadInput(f"{source}: found {found}, expected them in all or none")
    return Recorded(states, actions, terminated, rewards or None)


# -- Minari ------------------------------------------------------------------------------------


def read_minari(dataset: Any, source: str) -> Recorded:
    """Read a Minari dataset; see `Demonstrations.from_minari`.

    Args:
        dataset: an id, a `MinariDataset`, or the path of a dataset's folder.
        source: what messages call it.

    Raises:
        BadInput: it cannot be had, does not hold what its metadata say, or has spaces that cannot
            be flattened.
    """
    import gymnasium

    minari = imported(source, "minari", "minari")
    if isinstance(dataset, str):
        _check_id(source, dataset)
        if not (minari.storage.get_dataset_path(dataset) / "data").exists():
            _download(minari, source, dataset)
    try:
        if isinstance(dataset, str):
            dataset = minari.load_dataset(dataset)
        elif isinstance(dataset, Path):
            dataset = minari.MinariDataset(dataset / "data")
    except Exception as error:  # Minari raises many kinds on damaged files
        raise BadInput(f"{source}: cannot be read ({one_line(error)})") from error
    if not isinstance(dataset, minari.MinariDataset):
        found = type(dataset).__name__
        raise BadInput(f"{source}: found a {found}, expected a MinariDataset or its id")
    space = dataset.observation_space
    if not space.is_np_flattenable:
        found = f"found {_named(space)}, expected one of a fixed size"
        raise BadInput(f"{source}: observation space: {found}")
    _check_actions(source, dataset.action_space)
    indices = [int(i) for i in dataset.episode_indices]
    try:
        episodes = list(dataset.iterate_episodes(indices))
        lengths = [x.get("total_steps") for x in dataset.storage.get_episode_metadata(indices)]
        total = dataset.total_steps
        states = [_flattened(space, x.observations) for x in episodes]
        actions = [_taken(dataset.action_space, np.asarray(x.actions)) for x in episodes]
        rewards = [np.asarray(x.rewards).reshape(-1) for x in episodes]
        terminated = [bool(np.reshape(x.terminations, -1)[-1:].any()) for x in episodes]
    except Exception as error:
        raise BadInput(f"{source}: cannot be read ({one_line(error)})") from error
    if len(episodes) != len(lengths):
        found = f"{len(episodes)} in the data"
        raise BadInput(f"{source}: episodes: found {found}, expected {len(lengths)}")
    for i, length, taken, seen in zip(indices, lengths, actions, states, strict=True):
        expected = len(taken) if length is None else int(length)
        if (len(taken), len(seen)) != (expected, expected + 1):
            found = f"{len(taken)} actions and {len(seen)} observations in the data"
            wanted = f"{expected} and {expected + 1} by its metadata"
            raise BadInput(f"{source}: episode {i}: found {found}, expected {wanted}")
    if (steps := sum(map(len, actions))) != total:
        found = f"{steps} in the data"
        raise BadInput(f"{source}: total_steps: found {found}, expected {total} by its metadata")
    spec = dataset.env_spec
    env_id = spec.id if isinstance(spec, gymnasium.envs.registration.EnvSpec) else ""
    return Recorded(states, actions, terminated, rewards, env_id)


def _check_id(source: str, dataset_id: str) -> None:
    from minari.dataset.minari_dataset import parse_dataset_id

    try:
        parse_dataset_id(dataset_id)
    except (ValueError, TypeError) as error:  # TypeError: it has no version
        expected = "one such as mujoco/hopper/expert-v0"
        raise BadInput(
            f"{source}: dataset id: found {dataset_id!r}, expected {expected}"
        ) from error


def _download(minari: Any, source: str, dataset_id: str) -> None:
    """Fetch a dataset into Minari's folder.

    Raises:
        BadInput: it cannot be had, as when there is no network.
    """
    try:
        # Minari would try for half a minute where there is no network.
        if os.environ.get("MINARI_REMOTE", "hf:").startswith("hf:"):
            from huggingface_hub import constants, get_session

            get_session().head(constants.ENDPOINT, timeout=_SECONDS)
        minari.download_dataset(dataset_id)
    except Exception as error:
        folder = minari.storage.get_dataset_path()
        raise BadInput(
            f"{source}: not here, and could not be downloaded ({one_line(error)}); expected a "
            f"dataset in {folder}, or a network"
        ) from error


def _check_actions(source: str, space: Any) -> None:
    from gymnasium.spaces import Box, Discrete

    if not isinstance(space, Box | Discrete):
        raise BadInput(f"{source}: action space: found {_named(space)}, expected Discrete or a Box")


def _named(space: Any) -> str:
    """Return a space as a short text on one line."""
    text = " ".join(str(space).split())
    return text if len(text) <= 100 else f"{text[:97]}..."


def _taken(space: Any, actions: np.ndarray) -> np.ndarray:
    """Return actions of a space as `Demonstrations` hold them: integers [N] or floats [N, A]."""
    from gymnasium.spaces import Discrete

    if isinstance(space, Discrete):
        return actions.reshape(-1)
    return actions.reshape(len(actions), -1).astype(np.float32)


def _flattened(space: Any, values: Any) -> np.ndarray:
    """Return observations of a space as rows [N, S], each as `gymnasium.spaces.flatten` has it.

    Args:
        values: N observations, stacked as Minari does: below Dict and Tuple are arrays of N rows.
    """
    from gymnasium.spaces import Box, Dict, Tuple, flatten

    if isinstance(space, Dict):
        parts = [_flattened(part, values[name]) for name, part in space.spaces.items()]
        return np.concatenate(parts, 1)
    if isinstance(space, Tuple):
        parts = [_flattened(*pair) for pair in zip(space.spaces, values, strict=True)]
        return np.concatenate(parts, 1)
    if isinstance(space, Box):
        return np.asarray(values).reshape(len(values), -1)
    return np.stack([np.asarray(flatten(space, row)) for row in values])


def _unflattened(space: Any, rows: np.ndarray) -> Any:
    """Return rows [N, S] as observations of a space, stacked as Minari does."""
    from gymnasium.spaces import Box, Dict, Tuple, flatdim, unflatten

    if isinstance(space, Dict | Tuple):
        inner = list(space.spaces.values() if isinstance(space, Dict) else space.spaces)
        parts = np.split(rows, np.cumsum([flatdim(part) for part in inner])[:-1], 1)
        made = [_unflattened(*pair) for pair in zip(inner, parts, strict=True)]
        return (
            dict(zip(space.spaces, made, strict=True)) if isinstance(space, Dict) else tuple(made)
        )
    if isinstance(space, Box):
        if space.dtype.kind in "iu":
            rows = rows.round()
        return rows.reshape(len(rows), *space.shape).astype(space.dtype)
    values = [unflatten(space, row) for row in rows]
    return values if isinstance(values[0], str) else np.stack(values)


def write_minari(
    recorded: Recorded,
    dataset_id: str,
    env: Any,
    data_format: str,
    described: Mapping[str, Any],
) -> Any:
    """Write a Minari dataset; see `Demonstrations.to_minari`.

    Args:
        described: further entries of the dataset's metadata.

    Raises:
        BadInput: there is a dataset of that id, the id is malformed, or the episodes do not fit the
            environment.
    """
    source = f"{MINARI_PREFIX}{dataset_id}"
    minari = imported(source, "minari", "minari")
    from minari import namespace
    from minari.data_collector import EpisodeBuffer
    from minari.dataset.minari_dataset import parse_dataset_id
    from minari.dataset.minari_storage import MinariStorage

    _check_id(source, dataset_id)
    root, path = (minari.storage.get_dataset_path(x) for x in ("", dataset_id))
    if path.exists():
        raise BadInput(f"{source}: {path} exists; choose another id or remove it")
    states, actions, spec = _spaces(source, recorded, env)
    buffers = [
        EpisodeBuffer(
            observations=_unflattened(states, np.asarray(seen)),
            actions=_as_actions(actions, np.asarray(taken)),
            rewards=np.asarray(paid, np.float64),
            terminations=_last(np.size(paid), ended),
            truncations=_last(np.size(paid), not ended),
            infos={},
        )
        for seen, taken, ended, paid in zip(
            recorded.states,
            recorded.actions,
            np.asarray(recorded.terminated),
            recorded.rewards or [],
            strict=True,
        )
    ]
    with tempfile.TemporaryDirectory(prefix=".", dir=root) as partial:
        try:
            (data := Path(partial, "dataset", "data")).mkdir(parents=True)
            storage = MinariStorage.new(data, states, actions, spec, data_format)
            metadata = {**described, "dataset_id": dataset_id, "minari_version": minari.__version__}
            storage.update_metadata(metadata)
            storage.update_episodes(buffers)
        except Exception as error:
            raise BadInput(f"{source}: cannot be written ({one_line(error)})") from error
        # Minari's Arrow storage cuts episodes of more than 32,767 steps when it reads them
        read_minari(minari.MinariDataset(storage), source)
        group = parse_dataset_id(dataset_id)[0]
        if group and group not in namespace.list_local_namespaces():
            namespace.create_namespace(group)
        path.parent.mkdir(parents=True, exist_ok=True)
        data.parent.rename(path)
    return minari.load_dataset(dataset_id)


def _last(steps: int, value: bool) -> np.ndarray:
    """Return booleans [steps], false but perhaps the last."""
    flags = np.zeros(steps, bool)
    flags[-1] = value
    return flags


def _as_actions(space: Any, actions: np.ndarray) -> np.ndarray:
    return actions.reshape(len(actions), *space.shape).astype(space.dtype)


def _writable(source: str, spec: Any) -> Any:
    """Return an environment's spec as Minari can write it: a class is named by its module.

    Warns where that cannot be, and returns a spec with the id alone.
    """
    import dataclasses

    from gymnasium.envs.registration import EnvSpec

    if callable(made := spec.entry_point):
        name = f"{made.__module__}:{getattr(made, '__qualname__', '<object>')}"
        if "<" not in name and made.__module__ != "__main__":
            spec = dataclasses.replace(spec, entry_point=name)
    try:
        spec.to_json()
    except (TypeError, ValueError) as error:
        reason = f"the dataset cannot recover its environment ({one_line(error)})"
        warnings.warn(f"{source}: {reason}", stacklevel=5)
        return EnvSpec(spec.id)
    return spec


def _spaces(source: str, recorded: Recorded, env: Any) -> tuple[Any, Any, Any]:
    """Return the observation space, the action space and the environment's spec for a dataset.

    Raises:
        BadInput: the environment cannot be made, or the episodes do not fit its spaces.
    """
    import gymnasium
    from gymnasium.spaces import Box, Discrete, flatdim

    size = np.shape(recorded.states[0])[1]
    taken = np.concatenate([np.asarray(actions) for actions in recorded.actions])
    discrete = taken.ndim == 1
    if env is None:
        states = Box(-np.inf, np.inf, (size,), np.float32)
        if discrete:
            start = min(0, int(taken.min()))
            return states, Discrete(int(taken.max()) + 1 - start, start=start), None
        return states, Box(-np.inf, np.inf, taken.shape[1:], np.float32), None
    made = env
    if not isinstance(env, gymnasium.Env):
        if not isinstance(env, str | gymnasium.envs.registration.EnvSpec):
            found, expected = type(env).__name__, "a gymnasium.Env, its id or its EnvSpec"
            raise BadInput(f"{source}: env: found a {found}, expected {expected}")
        try:
            made = gymnasium.make(env)
        except Exception as error:  # whatever a user's environment raises
            raise BadInput(f"{source}: env: cannot be made ({one_line(error)})") from error
    states, actions, spec = made.observation_space, made.action_space, made.spec
    if made is not env:
        made.close()
    if not states.is_np_flattenable or flatdim(states) != size:
        found, expected = f"states of {size} components", _named(states)
        raise BadInput(f"{source}: found {found}, expected those of {expected}")
    _check_actions(source, actions)
    fits = isinstance(actions, Discrete) if discrete else isinstance(actions, Box)
    if not fits or (not discrete and taken.shape[1] != flatdim(actions)):
        found = f"actions {taken.dtype}{list(taken.shape)}"
        raise BadInput(f"{source}: found {found}, expected those of {_named(actions)}")
    return states, actions, spec and _writable(source, spec)
