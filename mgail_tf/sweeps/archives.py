"""A run's folder and log as one archive, which is what crosses from machine to machine."""

import contextlib
import io
import shutil
import tarfile
from pathlib import Path

from mgail_tf import checkpoint
from mgail_tf.errors import BadInput
from mgail_tf.sweeps.runs import log_of

_LEFT_OUT = {".lock", "checkpoints"}


def pack(folder: Path) -> bytes:
    """Return a folder of a run, which may be being written, and the log beside it as an archive.

    A run that is taken up from it goes on as after being killed. For that the newest checkpoint
    is read first: what was written before it is then in the archive too.
    """
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        if newest := checkpoint.newest(folder / "checkpoints"):
            _add(archive, newest, f"{folder.name}/checkpoints/{newest.name}")
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder)
            partial = path.name.startswith(".") and ".partial" in path.name
            if path.is_file() and not partial and inside.parts[0] not in _LEFT_OUT:
                with contextlib.suppress(FileNotFoundError):  # it was a temporary one
                    _add(archive, path, f"{folder.name}/{inside}")
        log = log_of(folder)
        if log.exists():
            _add(archive, log, log.name)
    return stream.getvalue()


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    """Add a file as long as it is now, whatever is appended while it is read."""
    content = path.read_bytes()
    described = tarfile.TarInfo(name)
    described.size, described.mtime = len(content), path.stat().st_mtime
    archive.addfile(described, io.BytesIO(content))


def pack_files(path: Path) -> bytes:
    """Return a file, or a folder with what is in it, as an archive."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.add(path, path.name)
    return stream.getvalue()


def unpack(content: bytes, into: Path) -> None:
    """Write what an archive holds into a folder."""
    into.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(into, filter="data")


def settle(path: Path) -> None:
    """Replace a run's folder and log by what the archive beside them holds, and remove that.

    Killed at any moment, it can be done again.

    Args:
        path: NAME.tar beside the folder NAME and NAME.log.

    Raises:
        BadInput: the archive is damaged.
    """
    partial = path.with_name(f".{path.stem}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        unpack(path.read_bytes(), partial)
    except tarfile.TarError as error:
        raise BadInput(f"{path}: damaged ({error}); remove it to begin the run again") from error
    folder = path.with_suffix("")
    if (partial / folder.name).exists():
        shutil.rmtree(folder, ignore_errors=True)
        (partial / folder.name).replace(folder)
    log = log_of(folder)
    if (partial / log.name).exists():
        (partial / log.name).replace(log)
    path.unlink()
    shutil.rmtree(partial)
