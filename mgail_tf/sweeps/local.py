"""The engine of one machine: a run a core, so many at once."""

import os
import queue
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from mgail_tf.errors import BadInput
from mgail_tf.sweeps.overview import Overview
from mgail_tf.sweeps.runs import ENDS, Process, Run, place

POLL = 1.0  # seconds between looks at what the runs have written


def usable_cores() -> list[int]:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def check_jobs(jobs: int) -> None:
    """Refuse more runs at once than there are cores.

    Raises:
        BadInput: there are fewer.
    """
    if jobs > (usable := len(usable_cores())):
        raise BadInput(f"--jobs={jobs}: expected at most {usable}, the cores here")


def make_all(runs: Sequence[Run], root: Path, jobs: int, overview: Overview) -> int:
    """Make runs, `jobs` at once, and say on standard output what begins and how it ends.

    Args:
        runs: in the order in which they are begun.
        root: the folder that holds launch/.
        overview: told of everything.

    Returns:
        How many failed.

    Raises:
        BadInput: there are fewer cores than jobs.
        KeyboardInterrupt: Ctrl-C was pressed; the runs have saved themselves.
    """
    check_jobs(jobs)
    cores: queue.Queue[int] = queue.Queue()
    for core in usable_cores()[:jobs]:
        cores.put(core)
    lock = threading.Lock()  # of the overview, the processes, and standard output
    going: set[Process] = set()
    interrupts = 0  # how often Ctrl-C was pressed

    def make(run: Run) -> bool:
        """Make one run on a core that is free; return whether it ended well."""
        core = cores.get()
        try:
            with lock:
                print(f"begun: {run}", flush=True)
                overview.begun(run, f"core {core}")
            run.folder.parent.mkdir(parents=True, exist_ok=True)
            command = run.command(root, run.folder, run.demos)
            # In a session of its own it does not hear of Ctrl-C by itself, and is told once.
            process = Process(command, run.log, start_new_session=True)
            with lock:
                going.add(process)
                for _ in range(interrupts):
                    process.popen.send_signal(signal.SIGINT)
            if hasattr(os, "sched_setaffinity"):  # not on macOS
                os.sched_setaffinity(process.popen.pid, {core})
            while (code := process.wait(POLL)) is None:
                with lock:
                    if now := place(run.folder):
                        overview.at(run, *now)
                    if overview.due():
                        print(overview.table(jobs), flush=True)
            last = process.last_line()
            with lock:
                going.remove(process)
                overview.ended(run, code == 0)
                failed = f"failed with code {code}: {run}: {last}"
                print(f"{ENDS[code]}: {run}" if code in ENDS else failed, flush=True)
            return code == 0
        finally:
            cores.put(core)

    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(make, run) for run in runs]
        while True:
            try:
                wait([future for future in futures if not future.cancelled()])
                break
            except KeyboardInterrupt:
                pool.shutdown(wait=False, cancel_futures=True)
                with lock:
                    interrupts += 1
                    for process in going:  # each saves itself; a second signal ends it at once
                        process.popen.send_signal(signal.SIGINT)
    if interrupts:
        raise KeyboardInterrupt
    return [future.result() for future in futures].count(False)
