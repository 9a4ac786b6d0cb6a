"""A run of a sweep: its command, how far it is, and the process that ends with its parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mgail_tf.errors import BadInput
from mgail_tf.sweeps.runs import Process, Run, claimed, place


def test_a_run_is_a_command():
    run = Run("bc", "hopper", "x", 4, 7, Path("out/a"), ("--seed=7",), {}, "mine.npz")
    assert str(run) == "bc hopper 4 trajectories x seed 7" and run.log == Path("out/a.log")
    assert run.command(Path("/src"), Path("there"), "other.npz") == [
        *(sys.executable, "/src/launch/train_bc.py", "--seed=7"),
        *("--out=there", "--resume", "--demos=other.npz"),
    ]
    assert run.command(Path("/src"), Path("there"), None)[-1] == "--resume"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("env_steps,return,wall_seconds\n50,nan,1.5\n100,2,3.25\n", (100, 3.25)),
        ("env_steps,return,wall_seconds\n" + "50,1,1.5\n" * 2000, (50, 1.5)),
        ("env_steps,return,wall_seconds\n50,nan,1.5\n10", None),  # a row is being written
        ("env_steps,return,wall_seconds\n", None),
        (None, None),
    ],
)
def test_how_far_a_run_is_stands_in_its_last_row(text, found, tmp_path):
    if text is not None:
        (tmp_path / "progress.csv").write_text(text)
    assert place(tmp_path) == found


def test_a_log_is_appended_to_and_its_last_line_is_the_process_s(tmp_path):
    log = tmp_path / "a.log"
    log.write_text("before\n")
    process = Process([sys.executable, "-c", "print('one'); print('two')"], log)
    assert process.wait(30.0) == 0 and process.last_line() == "two"
    assert log.read_text() == "before\none\ntwo\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_process_ends_with_the_one_that_began_it(tmp_path):
    child = "import time; print('up', flush=True); time.sleep(600)"
    parent = (
        "import pathlib, sys, time\nfrom mgail_tf.sweeps.runs import Process\n"
        f"p = Process([sys.executable, '-c', {child!r}], pathlib.Path('log'))\n"
        "print(p.popen.pid, flush=True)\ntime.sleep(600)\n"
    )
    command = [sys.executable, "-c", parent]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as began:
        pid = int(began.stdout.readline())
        while (tmp_path / "log").read_text() != "up\n":
            time.sleep(0.05)
        began.send_signal(signal.SIGKILL)
    end = time.monotonic() + 30.0
    while _runs(pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    """Return whether a process is there, and is not one that has ended and was not waited for."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_one_sweep_at_a_time(tmp_path):
    refused = pytest.raises(BadInput, match="sweep: another sweep")
    with claimed(tmp_path / "sweep"), refused, claimed(tmp_path / "sweep"):
        pass
    with claimed(tmp_path / "sweep"):
        pass
