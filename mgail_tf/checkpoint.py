"""Saving and resuming: `Resumable` objects, and the checkpoint files that hold their state.

A state is nested dicts whose leaves are arrays, lists of arrays, or what JSON can hold (a
generator's big integers too). A file is one npz of plain arrays, nothing pickled, whose members
carry their CRC-32. It is written beside its final name, flushed to the disk and renamed, so a file
under its final name is whole.
"""

import json
import os
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mgail_tf.errors import UNREADABLE, BadInput, one_line
from mgail_tf.files import written_whole

KEPT = 2
_JSON = "json"


def _flat(state: Mapping[str, Any], prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Move the arrays out of a state into `arrays`; return the rest, which says where they were."""
    rest: dict[str, Any] = {}
    for key, value in state.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            rest[key] = _flat(value, f"{name}/", arrays)
        elif isinstance(value, np.ndarray):
            arrays[name] = value
            rest[key] = {"$array": name}
        elif isinstance(value, list) and value and isinstance(value[0], np.ndarray):
            names = [f"{name}/{i}" for i in range(len(value))]
            arrays.update(zip(names, value, strict=True))
            rest[key] = {"$arrays": names}
        else:
            rest[key] = {"$value": value}
    return rest


def _nested(rest: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Put the arrays back where `_flat` took them from."""
    state: dict[str, Any] = {}
    for key, value in rest.items():
        if set(value) == {"$array"}:
            state[key] = arrays[value["$array"]]
        elif set(value) == {"$arrays"}:
            state[key] = [arrays[name] for name in value["$arrays"]]
        elif set(value) == {"$value"}:
            state[key] = value["$value"]
        else:
            state[key] = _nested(value, arrays)
    return state


def write(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state to `path` so that the file under that name is always whole.

    Raises:
        OSError: it cannot be written; a file that was there is left as it was.
    """
    arrays: dict[str, np.ndarray] = {}
    text = json.dumps(_flat(state, "", arrays))
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as partial, partial.open("wb") as file:
        members: dict[str, Any] = {f"a/{name}": array for name, array in arrays.items()}
        np.savez(file, **{_JSON: np.array(text), **members})
        file.flush()
        os.fsync(file.fileno())
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _is_saved(path: Path) -> bool:
    """Return whether `write` wrote a file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return f"{_JSON}.npy" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def read(path: Path) -> dict[str, Any]:
    """Return the state in a file that `write` wrote.

    Raises:
        BadInput: there is none, or it is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            text = str(data[_JSON])
            arrays = {n.removeprefix("a/"): data[n] for n in data.files if n != _JSON}
        return _nested(json.loads(text), arrays)
    except FileNotFoundError as error:
        raise BadInput(f"{path}: no such checkpoint") from error
    except UNREADABLE as error:
        raise BadInput(f"{path}: damaged ({one_line(error)})") from error


def _files(folder: Path) -> list[Path]:
    """Return the checkpoints there, oldest first."""
    return sorted(folder.glob("checkpoint-*.npz"))


def newest(folder: Path) -> Path | None:
    """Return the newest checkpoint, whole or not."""
    return next(reversed(_files(folder)), None)


def save(folder: Path, number: int, state: Mapping[str, Any]) -> Path:
    """Write checkpoint `number` (larger ones are newer), then remove all but the last two.

    What a killed process left half written is removed too.

    Raises:
        BadInput: it cannot be written; those before are left as they were.
    """
    path = folder / f"checkpoint-{number:012d}.npz"
    try:
        write(path, state)
        for old in [*_files(folder)[:-KEPT], *folder.glob(".*.partial*")]:
            old.unlink()
    except OSError as error:
        raise BadInput(
            f"{path}: cannot be written ({error.strerror}); earlier checkpoints are kept"
        ) from error
    return path


def load(folder: Path) -> dict[str, Any] | None:
    """Return the state of the newest checkpoint that can be read, or None where there is none.

    Warns of every one that is damaged.

    Raises:
        BadInput: there are some, and all are damaged.
    """
    files = _files(folder)
    damaged: list[BadInput] = []
    for path in reversed(files):
        try:
            state = read(path)
        except BadInput as error:
            damaged.append(error)
            continue
        for each in damaged:
            warnings.warn(f"{each}; the checkpoint before it is used", stacklevel=2)
        return state
    if files:
        raise BadInput(f"{folder}: all {len(files)} checkpoints are damaged")
    return None


class Resumable:
    """An object that can be saved and goes on afterwards as if nothing had happened.

    Its state is that of its parts and of its plain attributes. A part is Resumable itself, a NumPy
    generator, or a Keras model or optimiser.
    """

    _plain: tuple[str, ...] = ()

    def _parts(self) -> dict[str, Any]:
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs."""
        parts = {name: _state(part) for name, part in self._parts().items()}
        return {**parts, **{name: getattr(self, name) for name in self._plain}}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go back to where `state_dict()` was asked."""
        for name, part in self._parts().items():
            if isinstance(part, Resumable):
                part.load_state_dict(saved[name])
            elif isinstance(part, np.random.Generator):
                part.bit_generator.state = saved[name]
            else:
                variables, values = _variables(part), saved[name]
                _check_shapes(name, variables, values)
                for variable, value in zip(variables, values, strict=True):
                    variable.assign(value)
        for name in self._plain:
            setattr(self, name, saved[name])

    def save(self, path: str | Path) -> None:
        """Write everything that is needed to go on to one npz file (nothing is pickled).

        What was saved there before is replaced, a file of another kind is not.

        Raises:
            BadInput: the file cannot be written, or is of another kind.
        """
        path = Path(path)
        if path.exists() and not _is_saved(path):
            raise BadInput(f"{path}: exists and is no saved agent; choose another name")
        try:
            write(path, self.state_dict())
        except OSError as error:
            raise BadInput(f"{path}: cannot be written ({error.strerror})") from error

    def restore(self, path: str | Path) -> None:
        """Go back to what `save` wrote; the object must have been made with the same arguments.

        Raises:
            BadInput: the file is missing or damaged, or holds another kind of object. A part of the
                object may have been changed by then: make it again.
        """
        self.restore_from(read(Path(path)), str(path))

    def restore_from(self, saved: Mapping[str, Any], name: str) -> None:
        """Do `load_state_dict`; where it does not fit, say so of `name`.

        Raises:
            BadInput: the state is of another object, other settings or another version.
        """
        try:
            self.load_state_dict(saved)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            expected = "expected a checkpoint of the same object, settings and version"
            raise BadInput(f"{name}: {one_line(error)}; {expected}") from error


def _check_shapes(name: str, variables: Any, values: Any) -> None:
    """Raise a ValueError where saved arrays are not of a part's variables."""
    found = [np.shape(value) for value in values]
    expected = [tuple(variable.shape) for variable in variables]
    if len(found) != len(expected):
        raise ValueError(f"{name}: found {len(found)} arrays, expected {len(expected)}")
    for one, other in zip(found, expected, strict=True):
        if one != other:
            raise ValueError(f"{name}: found an array of shape {one}, expected {other}")


def _state(part: Any) -> Any:
    if isinstance(part, Resumable):
        return part.state_dict()
    if isinstance(part, np.random.Generator):
        return part.bit_generator.state
    return [np.array(variable) for variable in _variables(part)]


def _variables(part: Any) -> Any:
    """Return a model's weights (its other variables seed what is not used), or an optimiser's."""
    return part.weights if hasattr(part, "weights") else part.variables
