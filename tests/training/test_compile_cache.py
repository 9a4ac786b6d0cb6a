"""What is kept of XLA's work: for this machine only, whole, and not too much of it."""

import os

import pytest

from mgail_tf.training import compile_cache
from mgail_tf.training.compile_cache import CHOICE, FLAGS


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv(CHOICE, str(tmp_path))
    monkeypatch.delenv(FLAGS, raising=False)
    monkeypatch.setattr(compile_cache.atexit, "register", lambda *_: None)
    yield compile_cache.folder()
    os.environ.pop(FLAGS, None)


def _keep(place, name, content, age=0):
    place.mkdir(parents=True, exist_ok=True)
    (place / name).write_bytes(content)
    compile_cache._seal(place)
    os.utime(place / name, (1e9 - age, 1e9 - age))


def test_tensorflow_is_told_of_the_folder(place):
    compile_cache.prepare()
    assert f"--tf_xla_persistent_cache_directory={place} " in os.environ[FLAGS]
    assert place.is_dir()


@pytest.mark.parametrize("choice", ["off", "0", "OFF"])
def test_it_can_be_turned_off(place, monkeypatch, choice):
    monkeypatch.setenv(CHOICE, choice)
    compile_cache.prepare()
    assert FLAGS not in os.environ


def test_flags_of_the_user_are_left_alone(place, monkeypatch):
    monkeypatch.setenv(FLAGS, "--tf_xla_auto_jit=0")
    compile_cache.prepare()
    assert os.environ[FLAGS] == "--tf_xla_auto_jit=0" and not place.exists()


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv(CHOICE, str(tmp_path / "file"))
    monkeypatch.delenv(FLAGS, raising=False)
    compile_cache.prepare()
    assert FLAGS not in os.environ


def test_other_flags_and_processors_have_other_folders(place, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_other=1")
    other = compile_cache.folder()
    monkeypatch.setattr(compile_cache.platform, "machine", lambda: "another")
    assert len({place, other, compile_cache.folder()}) == 3


def test_what_is_damaged_or_was_never_whole_is_removed(place):
    _keep(place, "good.pb", b"code")
    _keep(place, "flipped.pb", b"code")
    (place / "flipped.pb").write_bytes(b"kode")
    (place / "unsealed.pb").write_bytes(b"code")
    compile_cache.prepare()
    assert {path.name for path in place.iterdir()} == {"good.pb", "good.sha256"}


def test_the_oldest_go_when_there_is_too_much(place, monkeypatch):
    monkeypatch.setattr(compile_cache, "LARGEST", 10)
    for age, name in enumerate(("new.pb", "old.pb", "oldest.pb")):
        _keep(place, name, b"12345", age)
    compile_cache.prepare()
    assert {path.name for path in place.glob("*.pb")} == {"new.pb", "old.pb"}
