"""What a result depends on: versions of packages, commit of the source, settings, command."""

import dataclasses
import hashlib
import importlib
import importlib.metadata
import json
import platform
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mgail_tf.config.tasks import budget, for_task

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("tensorflow", "tensorflow-probability", "keras", "gymnasium", "mujoco", "numpy")
_SCRIPTS = {"bc": "train_bc", "gail": "train_gail", "mgail": "train_mgail", "trpo": "train_expert"}


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
    """Return the source's commit, with + where mgail_tf/ or launch/ differs; "" outside git."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(_ROOT), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", "mgail_tf", "launch")
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def config_sha256(config: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a config as canonical JSON."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


def command(algorithm: str, task: str, seed: int, env_steps: int, config: Any) -> str:
    """Return the shell command that makes a run again: what differs from the task's settings."""
    words = ["python", f"launch/{_SCRIPTS[algorithm]}.py"]
    words += [f"--task={task}", f"--seed={seed}"]
    if env_steps != budget(algorithm, task):
        words.append(f"--env_steps={env_steps}")
    default = dataclasses.asdict(for_task(algorithm, task))
    for name, value in dataclasses.asdict(config).items():
        if value != default[name]:
            words += ["--set", f"{name}={value}".replace(" ", "")]
    return shlex.join(words)
