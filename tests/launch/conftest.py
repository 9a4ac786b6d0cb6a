"""Demonstrations that scripts are given."""

from pathlib import Path

import pytest

from mgail_tf.envs.gym_env import make
from mgail_tf.policies import experts


@pytest.fixture(scope="session")
def cartpole_demos(tmp_path_factory) -> Path:
    """Three trajectories of the committed expert."""
    path = tmp_path_factory.mktemp("demos") / "cartpole.npz"
    expert = experts.load("cartpole", make("cartpole", 0).spec)
    experts.record("cartpole", expert, 3).save(path)
    return path
