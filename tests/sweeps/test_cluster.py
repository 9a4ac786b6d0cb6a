"""A sweep on a real cluster of two nodes loses nothing when a node and the driver are killed."""

import os
import re
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.launch.running import ROOT, rows_of

pytestmark = pytest.mark.slow

RUNS = int(os.environ.get("CLUSTER_RUNS", "1"))  # of each algorithm
STORAGES = ["objects", "shared"] if RUNS > 1 else ["objects"]
DEADLINE = 300.0  # seconds for anything to happen
# How soon Ray gives a node up.
IMPATIENT = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 1000,
    "health_check_failure_threshold": 3,
}


@pytest.fixture
def two_nodes(monkeypatch):
    """Return a cluster of a head without CPUs, where the driver is, and two nodes with one each."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_worker_niceness", "0")  # else they wait for whatever else is running
    small = {"object_store_memory": 100 * 2**20}
    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": IMPATIENT}
    made = Cluster(initialize_head=True, head_node_args=head | small)
    # Each has a copy of the source: one that another node's runs use would be replaced under them.
    made.nodes = [
        made.add_node(num_cpus=1, wait=False, runtime_env_dir_name=f"copies_{number}", **small)
        for number in range(2)
    ]
    yield made
    made.shutdown()


class Sweep:
    """The process of a sweep."""

    def __init__(self, out: Path, *flags: str):
        command = [sys.executable, str(ROOT / "launch" / "sweep.py"), f"--out={out}", *flags]
        self.log = out.with_name(f"{out.name}.txt")
        with self.log.open("a") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=out.parent)

    def ends(self) -> int:
        return self.process.wait(DEADLINE)

    def waits_until(self, happened: Callable[[], bool]) -> None:
        end = time.monotonic() + DEADLINE
        while not happened():
            assert time.monotonic() < end and self.process.poll() is None, self.log.read_text()
            time.sleep(0.1)


def trains(node) -> bool:
    """Return whether a run of MGAIL is being made on a node."""
    return any("train_mgail.py" in line for line in commands(raylet(node)))


def raylet(node) -> int:
    """Return the process that has begun the others of a node."""
    return node.all_processes["raylet"][0].process.pid


def commands(pid: int) -> Iterator[str]:
    """Yield the command lines of a process and of those below it, as far as they are there."""
    folder = Path(f"/proc/{pid}")
    try:
        yield (folder / "cmdline").read_text()
        below = [each.read_text() for each in folder.glob("task/*/children")]
    except OSError:
        return
    for child in " ".join(below).split():
        yield from commands(int(child))


def kill(node) -> None:
    """End Ray's processes on a node at once, and with them all that they have begun."""
    for processes in node.all_processes.values():
        for each in processes:
            os.kill(each.process.pid, signal.SIGKILL)


def comparable(table: Path) -> list[dict[str, str]]:
    """Return the rows of a table without what differs between equal runs."""
    return [{k: v for k, v in row.items() if k != "wall_seconds"} for row in rows_of(table)]


def begun(sweep: Sweep) -> list[str]:
    return [line for line in sweep.log.read_text().split("\n") if line.startswith("begun: ")]


def described() -> list[str]:
    seeds = f"--seeds={','.join(map(str, range(RUNS)))}"
    runs = ["--algorithms=mgail,bc", "--tasks=cartpole", seeds, "--smoke", "--env_steps=3000"]
    return [*runs, "--checkpoint_every=0.5"]


def saved(out: Path, storage: str) -> int:
    """Return the steps after which the newest checkpoint of an MGAIL run was saved; 0: none."""
    if storage == "shared":
        names = [path.name for path in out.glob("mgail-*/checkpoints/checkpoint-*.npz")]
    else:
        names = []
        for path in out.glob("mgail-*.tar"):
            with tarfile.open(path) as archive:
                names += archive.getnames()
    counts = re.findall(r"checkpoint-(\d+)", " ".join(names))
    return max(map(int, counts), default=0)


@pytest.mark.parametrize("storage", STORAGES)
def test_a_killed_node_and_a_killed_driver_cost_no_row(storage, two_nodes, tmp_path):
    quiet, out = tmp_path / "quiet", tmp_path / "out"
    assert Sweep(quiet, *described()).ends() == 0

    engine = ["--engine=ray", f"--address={two_nodes.address}", f"--storage={storage}"]
    given = [*described(), *engine, "--bring_every=1"]
    sweep = Sweep(out, *given)
    sweep.waits_until(lambda: saved(out, storage) > 0)
    kill(next(node for node in two_nodes.nodes if trains(node)))
    before, steps = len(begun(sweep)), saved(out, storage)
    # it goes on on the other node, and beyond what had come back
    sweep.waits_until(lambda: len(begun(sweep)) > before)
    sweep.waits_until(lambda: saved(out, storage) > steps)
    sweep.process.send_signal(signal.SIGKILL)
    sweep.process.wait()
    assert saved(out, storage) > 0  # it was not over
    assert Sweep(out, *given).ends() == 0

    assert comparable(out / "runs.csv") == comparable(quiet / "runs.csv")
    assert len(rows_of(out / "runs.csv")) == 4 * RUNS
    assert not [*out.glob("*.tar"), *out.glob(".*.partial")]
