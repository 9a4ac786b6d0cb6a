"""Writing files and folders so that nothing is overwritten and nothing is seen half written."""

import contextlib
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mgail_tf.errors import BadInput

_LARGEST = 1 << 30  # bytes that any file may unpack to


def check_free(path: Path) -> None:
    """Refuse a folder where something would be overwritten.

    Raises:
        BadInput: it is a file, or a folder that holds something.
    """
    if path.exists() and not path.is_dir():
        raise BadInput(f"{path}: is a file, expected a directory to write")
    if path.exists() and {p.name for p in path.iterdir()} - {".lock"}:
        raise BadInput(f"{path}: exists and is not empty; choose another folder or remove it")


def most_unpacked(path: Path) -> int:
    """Return how many bytes may come out of a packed file; more would be a trap."""
    return max(_LARGEST, 20 * path.stat().st_size)


def check_absent(path: Path) -> None:
    """Refuse the name of a file to write where something is already.

    Raises:
        BadInput: there is.
    """
    if path.exists():
        raise BadInput(f"{path}: exists; choose another name or remove it")


def make_folder(path: Path) -> None:
    """Make a folder and those above it.

    Raises:
        BadInput: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{path}: cannot be made ({error.strerror})") from error


def to_json(data: Any) -> str:
    """Return data as indented JSON; a number that is not finite is null, as JSON has none."""

    def finite(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: finite(x) for key, x in value.items()}
        if isinstance(value, list | tuple):
            return [finite(x) for x in value]
        if isinstance(value, np.generic):
            value = value.item()
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return json.dumps(finite(data), indent=2, allow_nan=False) + "\n"


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a file to write instead of `path`, whose place it takes once it is whole.

    Where writing fails, what was there is left as it was, and what was written is removed. Several
    processes may write at once: the file of the last one to end stays.
    """
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a text or bytes so that the file under its name is never half written."""
    with written_whole(path) as partial:
        if isinstance(content, bytes):
            partial.write_bytes(content)
        else:
            partial.write_text(content)
