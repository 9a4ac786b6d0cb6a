"""The engine of one machine: Ctrl-C reaches every run, however it comes."""

import os
import signal
import sys
import threading
import time

import pytest

from mgail_tf.sweeps import local
from mgail_tf.sweeps.runs import Run

STOPPED = """
import pathlib, signal, sys, time
def save(number, frame):
    pathlib.Path(sys.argv[1]).write_text("saved")
    sys.exit(130)
signal.signal(signal.SIGINT, save)
print("up", flush=True)
time.sleep(600)
"""


class Sleeping(Run):
    """A run that does nothing until it is interrupted."""

    def command(self, root, folder, demos):
        return [sys.executable, "-c", STOPPED, str(folder)]


class Told:
    """An overview that only remembers how runs have ended."""

    def __init__(self):
        self.ends = []

    def begun(self, run, where):
        pass

    def ended(self, run, well):
        self.ends.append((run.seed, well))

    def due(self):
        return False


@pytest.fixture
def interruptible():
    """Let this process be interrupted, also where those in the background are not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupted_sweep_interrupts_its_runs_and_begins_no_other(
    interruptible, tmp_path, capsys
):
    runs = [
        Sleeping("bc", "cartpole", "default", None, seed, tmp_path / f"run{seed}", (), {})
        for seed in (0, 1)
    ]
    told = Told()

    def interrupt():
        while not runs[0].log.exists() or runs[0].log.read_text() != "up\n":
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)  # this process alone, not its group

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        local.make_all(runs, tmp_path, 1, told)
    assert runs[0].folder.read_text() == "saved"
    assert told.ends == [(0, False)] and not runs[1].log.exists()
    assert "stopped: bc cartpole default seed 0" in capsys.readouterr().out
