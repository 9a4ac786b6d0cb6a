"""A run that is stopped goes on as if it never had been, and no checkpoint is ever half written."""

import os

import numpy as np
import pytest

from mgail_tf import checkpoint, envs
from mgail_tf.rollout import Collector
from mgail_tf.types import BadInput

STATE = {
    "one": {"array": np.arange(6.0).reshape(2, 3), "list": [np.ones(2), np.zeros((0, 3))]},
    "empty": {},
    "numbers": [1, 2.5, True, None, "text", 2**127],
    "nothing": [],
    "infinite": float("inf"),
}


def same(a, b) -> bool:
    """Whether two states hold the same, arrays bit by bit."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    return a == b


# -- files -----------------------------------------------------------------------------------


def test_state_is_read_back_as_it_was_written(tmp_path):
    assert checkpoint.load(tmp_path / "none") is None
    checkpoint.save(tmp_path, 3, STATE)
    assert same(checkpoint.load(tmp_path), STATE)


def test_last_two_are_kept_and_the_newest_is_read(tmp_path):
    for number in (1, 20, 100):
        checkpoint.save(tmp_path, number, {"number": number})
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["checkpoint-000000000020.npz", "checkpoint-000000000100.npz"]
    assert checkpoint.load(tmp_path) == {"number": 100}


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "no npz"])
def test_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path, damage):
    checkpoint.save(tmp_path, 1, {"x": np.arange(1000.0)})
    path = checkpoint.save(tmp_path, 2, {"x": np.zeros(1000)})
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    broken = {"cut": data[:-100], "flipped": data, "emptied": b"", "no npz": b"PK nonsense"}
    path.write_bytes(broken[damage])
    with pytest.warns(UserWarning, match=r"000002\.npz: damaged, passed over"):
        found = checkpoint.load(tmp_path)
    np.testing.assert_array_equal(found["x"], np.arange(1000.0))
    (tmp_path / "checkpoint-000000000001.npz").write_bytes(b"")
    with pytest.warns(UserWarning), pytest.raises(BadInput, match="all 2 checkpoints"):
        checkpoint.load(tmp_path)


def test_full_disk_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, 1, {"number": 1})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadInput, match=r"000002\.npz: cannot be written .No space left"):
        checkpoint.save(tmp_path, 2, {"number": 2})
    assert checkpoint.load(tmp_path) == {"number": 1}


# -- learners --------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["cartpole", "hopper", "ToyLinear-v0"])
@pytest.mark.parametrize("steps", [0, 7, 120])
def test_collector_goes_on_in_the_middle_of_an_episode(tmp_path, task, steps):
    def collector():
        return Collector(envs.make(task, 3), np.random.default_rng(5))

    spec = envs.make(task, 0).spec

    class Policy:
        def act(self, state, rng):
            drawn = rng.normal(size=spec.action_size).astype(np.float32)
            return np.eye(len(drawn), dtype=np.float32)[drawn.argmax()] if spec.discrete else drawn

    whole, stopped = collector(), collector()
    whole.collect(Policy(), steps)
    stopped.collect(Policy(), steps)
    checkpoint.save(tmp_path, 0, stopped.state())
    resumed = collector()
    resumed.restore(checkpoint.load(tmp_path))
    for expected, found in zip(
        whole.collect(Policy(), 200), resumed.collect(Policy(), 200), strict=True
    ):
        for a, b in zip(expected, found, strict=True):
            np.testing.assert_array_equal(a, b)
    assert same(whole.state(), resumed.state())
