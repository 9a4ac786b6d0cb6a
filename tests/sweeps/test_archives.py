"""What crosses from machine to machine, and is put in its place after a kill."""

import pytest

from mgail_tf.errors import BadInput
from mgail_tf.sweeps import archives
from mgail_tf.sweeps.cluster import settle
from mgail_tf.sweeps.runs import Run
from tests.launch.running import contents


@pytest.fixture
def folder(tmp_path):
    """Return a run's folder that is being written, and a log beside it."""
    made = tmp_path / "there" / "bc-x"
    (made / "checkpoints").mkdir(parents=True)
    for number in (1, 2):
        (made / "checkpoints" / f"checkpoint-{number:012d}.npz").write_bytes(bytes([number]))
    (made / "policies").mkdir()
    (made / "policies" / "step_1.npz").write_bytes(b"p")
    (made / "progress.csv").write_text("a\n1\n")
    for unwanted in (".lock", ".policy.17.partial.npz", "checkpoints/.partial.npz"):
        (made / unwanted).write_text("unwanted")
    made.with_name("bc-x.log").write_text("said\n")
    return made


WHOLE = {
    "bc-x.log": b"said\n",
    "bc-x/checkpoints/checkpoint-000000000002.npz": b"\2",
    "bc-x/policies/step_1.npz": b"p",
    "bc-x/progress.csv": b"a\n1\n",
}


def test_the_newest_checkpoint_is_read_before_what_it_counts(folder, tmp_path, monkeypatch):
    add, order = archives._add, []

    def spied(archive, path, name):
        order.append(path.name)
        add(archive, path, name)

    monkeypatch.setattr(archives, "_add", spied)
    archives.unpack(archives.pack(folder), tmp_path / "here")
    assert order[0] == "checkpoint-000000000002.npz"
    assert contents(tmp_path / "here") == WHOLE


@pytest.mark.parametrize("there", ["nothing", "an older state", "half of it"])
def test_an_archive_replaces_what_is_there(there, folder, tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    (here / "bc-x.tar").write_bytes(archives.pack(folder))
    if there == "an older state":
        (here / "bc-x").mkdir()
        (here / "bc-x" / "old").write_text("old")
    elif there == "half of it":  # killed while it was unpacked
        (here / ".bc-x.partial").mkdir()
        (here / ".bc-x.partial" / "old").write_text("old")
    settle([Run("bc", "x", "default", None, 0, here / "bc-x", (), {})])
    assert contents(here) == WHOLE
    settle([Run("bc", "x", "default", None, 0, here / "bc-x", (), {})])
    assert contents(here) == WHOLE


def test_a_log_alone_is_kept(folder, tmp_path):
    (tmp_path / "y.log").write_text("began\n")
    (tmp_path / "y.tar").write_bytes(archives.pack(tmp_path / "y"))
    archives.settle(tmp_path / "y.tar")
    assert (tmp_path / "y.log").read_text() == "began\n" and not (tmp_path / "y").exists()


def test_a_damaged_archive_is_named_and_kept(tmp_path):
    path = tmp_path / "bc-x.tar"
    path.write_bytes(b"not an archive")
    with pytest.raises(BadInput, match=r"bc-x\.tar: damaged"):
        archives.settle(path)
    assert path.read_bytes() == b"not an archive"


def test_demonstrations_cross_as_a_file_or_a_folder(folder, tmp_path):
    archives.unpack(archives.pack_files(folder / "progress.csv"), tmp_path / "file")
    assert contents(tmp_path / "file") == {"progress.csv": b"a\n1\n"}
    archives.unpack(archives.pack_files(folder / "policies"), tmp_path / "folder")
    assert contents(tmp_path / "folder") == {"policies/step_1.npz": b"p"}
