"""How long a sweep takes on so many cores, whose machines fail now and then: a simulation.

Durations are measured ones, of a table of runs. A run whose machine fails begins again on the next
free core, from the last archive that came back.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mgail_tf.config.tasks import TASKS
from mgail_tf.envs.gym_env import make
from mgail_tf.sweeps.overview import makespan

COLUMNS = (
    *("cores", "core_hours", "hours", "longest_run_hours", "share_busy"),
    *("failures", "lost_core_hours", "megabytes_per_second"),
)
DETECTION = 30.0  # seconds until Ray gives a machine up that does not answer
NETWORKS = 12_000_000  # bytes of the networks and optimisers in a checkpoint, about
NUMBER = 4  # bytes


class Job(NamedTuple):
    """One run."""

    seconds: float
    archive: int = 0  # bytes at its end; the replay buffer grows evenly up to them


class Machines(NamedTuple):
    """Where runs are made."""

    cores: int
    failures_per_hour: float = 0.0  # of the machine of a core
    bring_every: float = 300.0  # seconds between archives
    start: float = 30.0  # seconds until a run that is begun, or begun again, makes updates


def archive_bytes(algorithm: str, task: str, env_steps: int) -> int:
    """Return about how large the folder of a run is at its end.

    MGAIL keeps every step that it has taken; the others keep no more than a batch.
    """
    if algorithm != "mgail":
        return NETWORKS
    spec = make(TASKS[task].env_id, 0).spec
    return NETWORKS + env_steps * (spec.state_size + spec.action_size) * NUMBER


class _Made(NamedTuple):
    """What became of a run."""

    seconds: float  # that it kept its core
    failures: int
    lost: float  # seconds of them that were for nothing


def _make(job: Job, machines: Machines, rng: np.random.Generator) -> _Made:
    """Return how long one run keeps a core."""
    rate = machines.failures_per_hour / 3600.0
    done = spent = lost = 0.0
    failures = 0
    while True:
        needed = machines.start + job.seconds - done
        until = rng.exponential(1.0 / rate) if rate else np.inf
        if until >= needed:
            return _Made(spent + needed, failures, lost)
        worked = max(0.0, until - machines.start)
        kept = worked // machines.bring_every * machines.bring_every
        done += kept
        spent += until + DETECTION
        lost += until + DETECTION - kept
        failures += 1


def simulate(jobs: Sequence[Job], machines: Machines, seed: int = 0) -> dict[str, float]:
    """Return a row of `COLUMNS`: what it costs to make jobs, in this order.

    Args:
        jobs: each begins on the core that is free first.
        machines: see there.
        seed: of the failures.
    """
    rng = np.random.default_rng(seed)
    made = [_make(job, machines, rng) for job in jobs]
    seconds = [each.seconds for each in made]
    hours, busy = makespan(seconds, machines.cores) / 3600.0, sum(seconds) / 3600.0
    # a folder comes back every so often, half full on the mean, and once more at the end
    times = [max(1.0, job.seconds / machines.bring_every) for job in jobs]
    brought = sum(t * 0.5 * job.archive for t, job in zip(times, jobs, strict=True))
    row = {
        "cores": machines.cores,
        "core_hours": busy,
        "hours": hours,
        "longest_run_hours": max(seconds) / 3600.0,
        "share_busy": busy / (machines.cores * hours),
        "failures": sum(each.failures for each in made),
        "lost_core_hours": sum(each.lost for each in made) / 3600.0,
        "megabytes_per_second": brought / 1e6 / (3600.0 * hours),
    }
    return {name: row[name] for name in COLUMNS}
