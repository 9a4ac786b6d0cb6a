"""What a result depends on: versions of packages, commit of the source, settings, command."""

import hashlib
import importlib
import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("tensorflow", "tensorflow-probability", "keras", "gymnasium", "mujoco", "numpy")


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:  # there by another name: tensorflow-cpu
        return importlib.import_module(name.replace("-", "_")).__version__


def versions() -> str:
    """Return the versions that a result depends on, as one text."""
    found = [f"{name} {_version(name)}" for name in _PACKAGES]
    return "; ".join([f"python {platform.python_version()}", *found])


def commit() -> str:
    """Return the source's commit, with + where mgail_tf/ or launch/ differs.

    Where the source is no git repository of its own, that is what the environment variable
    MGAIL_TF_COMMIT says, or "".
    """

    def git(*words: str) -> str:
        command = ["git", "-C", str(_ROOT), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != _ROOT:
            return os.environ.get("MGAIL_TF_COMMIT", "")  # the repository is another project's
        changed = git("status", "--porcelain", "--", "mgail_tf", "launch")
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("MGAIL_TF_COMMIT", "")


def config_sha256(config: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a config as canonical JSON."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


def arrays_sha256(*arrays: np.ndarray) -> str:
    """Return the SHA-256 of arrays: it tells other episodes and other pairs of a file apart."""
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


def command() -> str | None:
    """Return the shell command of the launch script that is running; None in any other program."""
    script = Path(sys.argv[0])
    if script.resolve().parent != _ROOT / "launch":
        return None
    return shlex.join(["python", f"launch/{script.name}", *sys.argv[1:]])
