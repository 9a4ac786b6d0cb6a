"""What a result row says of its origin."""

import importlib.metadata
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import train_mgail

from mgail_tf.training import provenance


def test_versions_of_a_package_that_is_there_by_another_name(monkeypatch):
    def version(name):
        if name == "numpy":
            raise importlib.metadata.PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(importlib.metadata, "version", version)
    said = provenance.versions()
    assert f"numpy {np.__version__}" in said and "mujoco 1;" in said


def test_command_is_that_of_the_script_as_a_shell_takes_it(monkeypatch):
    script = Path(train_mgail.__file__)
    given = ["--task=hopper", "--set", "policy_hidden=(3, 4)"]
    monkeypatch.setattr(sys, "argv", [str(script), *given])
    command = provenance.command()
    assert shlex.split(command) == ["python", "launch/train_mgail.py", *given]
    monkeypatch.setattr(sys, "argv", ["mine.py", "--task=hopper"])
    assert provenance.command() is None


def test_commit_is_not_that_of_a_repository_around_an_installed_package(monkeypatch, tmp_path):
    monkeypatch.setenv("MGAIL_TF_COMMIT", "given")
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    installed = tmp_path / "venv" / "site-packages"
    installed.mkdir(parents=True)
    monkeypatch.setattr(provenance, "_ROOT", installed)
    assert provenance.commit() == "given"
