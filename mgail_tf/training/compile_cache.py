"""What XLA has compiled, kept between processes: the second run of a kind starts sooner.

TensorFlow keeps it by the program's hash. What it does not check is checked here: a folder is for
one processor, one TensorFlow and one set of XLA's flags, and a file counts only with the checksum
that was taken when it was whole. TensorFlow reads its flags when it is imported, so `prepare` comes
before.
"""

import atexit
import contextlib
import hashlib
import os
import platform
from importlib import metadata
from pathlib import Path

from mgail_tf.files import write_whole

LARGEST = 512 << 20  # bytes of a folder; the oldest files go first
FLAGS = "TF_XLA_FLAGS"
CHOICE = "MGAIL_TF_COMPILE_CACHE"  # environment variable: a folder, or "off"


def folder() -> Path | None:
    """Return the folder for this processor and these versions; None if there is to be none."""
    chosen = os.environ.get(CHOICE, "")
    if chosen.lower() in ("off", "0", "no", "false"):
        return None
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return (Path(chosen) if chosen else caches / "mgail_tf" / "xla") / _key()


def _key() -> str:
    """Return a hash of everything beside the program that machine code depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        kinds = ("model name", "flags", "Features", "CPU part")
        processor = sorted({x for x in lines if x.split("\t")[0].strip() in kinds})
    except OSError:
        processor = [platform.processor()]
    for name in ("tensorflow", "tensorflow-cpu"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            processor.append(f"{name} {metadata.version(name)}")
    text = "\n".join([platform.machine(), *processor, os.environ.get("XLA_FLAGS", "")])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def prepare() -> None:
    """Let TensorFlow, which is not yet imported, keep what it compiles.

    Does nothing if its flags are set already, or if the folder cannot be had.
    """
    place = folder()
    if place is None or FLAGS in os.environ or " " in str(place):  # flags are split at spaces
        return
    try:
        place.mkdir(parents=True, exist_ok=True)
        _check(place)
    except OSError:  # a cache is no reason to fail
        return
    os.environ[FLAGS] = (
        f"--tf_xla_persistent_cache_directory={place} --tf_xla_persistent_cache_device_types=CPU"
    )
    atexit.register(_seal, place)


def _check(place: Path) -> None:
    """Remove what is damaged or has no checksum, then the oldest until the rest is small enough."""
    good = []
    for path in place.glob("*.pb"):
        sum_ = path.with_suffix(".sha256")
        if sum_.exists() and sum_.read_text() == _sha256(path):
            good.append(path)
        else:
            _remove(path)
    good.sort(key=lambda path: path.stat().st_mtime)
    size = sum(path.stat().st_size for path in good)
    while size > LARGEST:
        size -= good[0].stat().st_size
        _remove(good.pop(0))


def _seal(place: Path) -> None:
    """Write the checksums of files that are new."""
    with contextlib.suppress(OSError):
        for path in place.glob("*.pb"):
            sum_ = path.with_suffix(".sha256")
            if not sum_.exists():
                write_whole(sum_, _sha256(path))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _remove(path: Path) -> None:
    """Remove a file and its checksum, which another process may have removed before."""
    for each in (path, path.with_suffix(".sha256")):
        each.unlink(missing_ok=True)
