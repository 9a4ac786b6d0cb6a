"""A state comes back as it was written, and no checkpoint is ever half written."""

import os

import numpy as np
import pytest

from mgail_tf import checkpoint
from mgail_tf.checkpoint import Resumable
from mgail_tf.errors import BadInput
from mgail_tf.networks.mlp import MLP

STATE = {
    "one": {"array": np.arange(6.0).reshape(2, 3), "list": [np.ones(2), np.zeros((0, 3))]},
    "integers": np.arange(3, dtype=np.int8),
    "empty": {},
    "numbers": [1, 2.5, True, None, "text", 2**127],
    "nothing": [],
    "infinite": float("inf"),
}


# -- files -----------------------------------------------------------------------------------


def test_state_is_read_back_as_it_was_written(tmp_path):
    assert checkpoint.load(tmp_path / "none") is None
    checkpoint.save(tmp_path, 3, STATE)
    found = checkpoint.load(tmp_path)
    np.testing.assert_equal(found, STATE)
    assert found["integers"].dtype == np.int8


def test_last_two_are_kept_and_the_newest_is_read(tmp_path):
    for number in (1, 20, 100):
        checkpoint.save(tmp_path, number, {"number": number})
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["checkpoint-000000000020.npz", "checkpoint-000000000100.npz"]
    assert checkpoint.load(tmp_path) == {"number": 100}
    assert checkpoint.newest(tmp_path).name == names[1]


def test_what_a_kill_left_half_written_is_removed(tmp_path):
    (tmp_path / ".checkpoint-000000000001.17.partial.npz").write_bytes(b"half")
    saved = checkpoint.save(tmp_path, 2, {"x": 1})
    assert [*tmp_path.iterdir()] == [saved]


def _damaged(path, how):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes({"cut": data[:-100], "flipped": data, "emptied": b"", "no npz": b"PK"}[how])


@pytest.mark.parametrize("how", ["cut", "flipped", "emptied", "no npz"])
def test_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path, how):
    first = checkpoint.save(tmp_path, 1, {"x": np.arange(1000.0)})
    second = checkpoint.save(tmp_path, 2, {"x": np.zeros(1000)})
    _damaged(second, how)
    with pytest.warns(UserWarning, match=second.name):
        found = checkpoint.load(tmp_path)
    np.testing.assert_array_equal(found["x"], np.arange(1000.0))
    _damaged(first, "emptied")
    with pytest.raises(BadInput, match=f"{tmp_path}: all 2 checkpoints are damaged"):
        checkpoint.load(tmp_path)


def test_full_disk_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, 1, {"number": 1})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadInput, match=r"000002\.npz: .*No space left"):
        checkpoint.save(tmp_path, 2, {"number": 2})
    assert checkpoint.load(tmp_path) == {"number": 1}


# -- objects ---------------------------------------------------------------------------------


class _Inner(Resumable):
    _plain = ("count", "rows")

    def __init__(self):
        self.count, self.rows = 0, [np.zeros(2)]


class _Outer(Resumable):
    _plain = ("name",)

    def __init__(self, seed, units=3):
        self.name, self.inner = "", _Inner()
        self.network, self.rng = MLP(2, [units], 1, "tanh", seed), np.random.default_rng(seed)

    def _parts(self):
        return {"inner": self.inner, "network": self.network, "rng": self.rng}


@pytest.fixture
def saved(tmp_path):
    """An object that has a past, and the file that it was saved to."""
    made, path = _Outer(0), tmp_path / "folder" / "object.npz"
    made.name, made.inner.count, made.inner.rows = "one", 2**70, [np.ones(2), np.arange(3)]
    made.rng.normal(size=5)
    made.save(path)
    return made, path


def test_object_is_restored_with_its_parts_from_one_file(saved):
    made, path = saved
    assert [p.name for p in path.parent.iterdir()] == ["object.npz"]
    other = _Outer(1)
    other.restore(path)
    np.testing.assert_equal(other.state_dict(), made.state_dict())
    np.testing.assert_array_equal(other.network(np.ones((1, 2))), made.network(np.ones((1, 2))))
    np.testing.assert_array_equal(other.rng.normal(size=9), made.rng.normal(size=9))


class _Renamed(_Outer):
    def _parts(self):
        return {"outer": self.inner}


@pytest.mark.parametrize("other", [_Outer(0, units=4), _Renamed(0), None, "cut", "flipped"])
def test_file_of_another_object_or_a_damaged_one_is_refused_in_one_line(saved, other):
    made, path = saved
    if other is None:
        path.unlink()
    elif isinstance(other, str):
        _damaged(path, other)
    with pytest.raises(BadInput, match=rf"^{path}: [^\n]+$"):
        (made if other is None or isinstance(other, str) else other).restore(path)


@pytest.mark.parametrize(
    ("hidden", "problem"),
    [
        ([4], r"found an array of shape \(2, 3\), expected \(2, 4\)"),
        ([3, 1], "found 4 arrays, expected 6"),
    ],
)
def test_line_says_which_arrays_are_others(saved, hidden, problem):
    other = _Outer(0)
    other.network = MLP(2, hidden, 1, "tanh", 0)
    with pytest.raises(BadInput, match=f"network: {problem};") as refused:
        other.restore(saved[1])
    assert len(str(refused.value)) < len(str(saved[1])) + 150


def test_file_that_cannot_be_written_is_refused(saved, tmp_path):
    made, path = saved
    with pytest.raises(BadInput, match=str(path)):
        made.save(path / "below.npz")


def test_a_file_of_another_kind_is_not_replaced(saved, tmp_path):
    made, path = saved
    made.save(path)  # its own file is
    for name, content in (("demos.npz", None), ("notes.txt", b"mine")):
        other = tmp_path / name
        other.write_bytes(content) if content else np.savez(other, states=np.zeros(3))
        before = other.read_bytes()
        with pytest.raises(BadInput, match=r"^[^\n]*exists and is no saved agent"):
            made.save(other)
        assert other.read_bytes() == before
