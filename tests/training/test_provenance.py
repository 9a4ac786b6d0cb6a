"""What a result row says of its origin."""

import dataclasses
import importlib.metadata
import shlex

import _flags
import numpy as np
import pytest

import mgail_tf as mg
from mgail_tf.training import provenance


def test_versions_of_a_package_that_is_there_by_another_name(monkeypatch):
    def version(name):
        if name == "numpy":
            raise importlib.metadata.PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(importlib.metadata, "version", version)
    said = provenance.versions()
    assert f"numpy {np.__version__}" in said and "mujoco 1;" in said


@pytest.mark.parametrize(
    ("algorithm", "changes"),
    [
        ("mgail", {}),
        ("mgail", {"policy_hidden": (3, 4), "log_std": (-1.0, -2.0), "state_gradient_clip": None}),
        ("trpo", {"batch_steps": (100, 200), "anneal_kl": False, "compile": "graph"}),
    ],
)
def test_command_gives_the_same_settings_again(algorithm, changes):
    config = dataclasses.replace(mg.for_task(algorithm, "hopper"), **changes)
    command = provenance.command(algorithm, "hopper", 3, 54_321, config)
    _, script, *words = shlex.split(command)
    assert words[:3] == ["--task=hopper", "--seed=3", "--env_steps=54321"]
    given = {"task": "hopper", "smoke": False, "env_steps": 54_321, "set": words[4::2]}
    assert set(words[3::2]) <= {"--set"} and script.startswith("launch/train_")
    assert _flags.settings(algorithm, given) == (config, 54_321)
    assert shlex.join(shlex.split(command)) == command  # a shell takes it as it stands
