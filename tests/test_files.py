"""Files that are written whole or not at all."""

import pytest

from mgail_tf.files import write_whole, written_whole


def test_a_file_that_could_not_be_written_is_left_as_it_was(tmp_path):
    path = tmp_path / "table.csv"
    write_whole(path, "old")
    with pytest.raises(OSError, match="full"), written_whole(path) as partial:
        partial.write_text("ne")
        raise OSError("the disk is full")
    assert [each.name for each in tmp_path.iterdir()] == ["table.csv"]
    assert path.read_text() == "old"


def test_a_file_replaces_what_is_there_at_the_end(tmp_path):
    path = tmp_path / "table.csv"
    write_whole(path, b"old")
    with written_whole(path) as partial:
        partial.write_text("new")
        assert path.read_bytes() == b"old"
        assert partial.suffix == path.suffix
    assert path.read_text() == "new"
    assert [*tmp_path.iterdir()] == [path]
