"""The engine of a cluster: Ray runs each run on a CPU that is free, on whichever machine.

A run on another machine works in a folder there. Now and then, and at its end, the folder comes
back as an archive through Ray's object store, and is written beside where it belongs. Where the
machine dies, Ray begins the run again on another one, which goes on from the last archive. On a
file system that all machines see, runs work where they belong, and nothing has to come back.
"""

import importlib.util
import logging
import os
import signal
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from mgail_tf.errors import BadInput, one_line
from mgail_tf.files import write_whole
from mgail_tf.sweeps import archives
from mgail_tf.sweeps.overview import Overview
from mgail_tf.sweeps.runs import ENDS, Process, Run, log_of, place

POLL = 1.0  # seconds between looks at what a run has written
_NOT_SHIPPED = ("/.git/", "/.venv/", "/runs/", "/tests/", "/docs/")  # of the folder with launch/
_SECONDS_TO_STOP = 120.0  # that runs have to save themselves after Ctrl-C


class Cluster(NamedTuple):
    """A cluster, and how runs are made on it."""

    address: str  # auto, or HOST:PORT, of one that this machine is part of
    shared: bool  # all machines see the folder of the sweep under the same name
    bring_every: float  # seconds between archives
    gpus: float = 0.0  # of each run


class _Event(NamedTuple):
    """What a run said: where it was begun, or how far it is."""

    folder: Path
    where: str | None = None
    place: tuple[int, float] | None = None


class _Store:
    """An actor on this machine, to which runs on any machine say how far they are.

    Of a run that was begun again, because its machine did not answer, only the newest attempt is
    listened to.
    """

    def __init__(self) -> None:
        self._attempts: dict[Path, int] = {}
        self._events: list[_Event] = []

    def begin(self, folder: Path, where: str, wanted: bool) -> tuple[int, bytes | None]:
        """Return the number of an attempt, and if it is wanted what is there to go on from."""
        self._attempts[folder] = attempt = self._attempts.get(folder, 0) + 1
        self._events.append(_Event(folder, where=where))
        if not wanted:
            return attempt, None
        if (brought := _archive(folder)).exists():
            return attempt, brought.read_bytes()
        return attempt, archives.pack(folder) if folder.exists() else None

    def at(self, folder: Path, attempt: int, place: tuple[int, float] | None) -> None:
        """Take note of how far a run is."""
        if self._attempts[folder] == attempt:
            self._events.append(_Event(folder, place=place))

    def bring(self, folder: Path, attempt: int, content: bytes) -> None:
        """Write the archive of a run."""
        if self._attempts[folder] == attempt:
            write_whole(_archive(folder), content)

    def events(self) -> list[_Event]:
        """Return what was said since the last time."""
        events, self._events = self._events, []
        return events


def _archive(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.tar")


def _make(run: Run, store: Any, cluster: Cluster, demos: bytes | None) -> tuple[int, str]:
    """Make a run in this process, on whichever machine; return its exit code and last line.

    Args:
        store: the `_Store`.
        demos: an archive of its demonstrations, where they are a file or a folder.
    """
    import ray

    where = ray.util.get_node_ip_address()
    wanted = not cluster.shared
    attempt, content = _answer(store.begin.remote(run.folder, where, wanted))
    with tempfile.TemporaryDirectory(prefix="mgail-") as scratch:
        folder = run.folder if cluster.shared else Path(scratch) / run.folder.name
        if content:
            archives.unpack(content, folder.parent)
        found = run.demos
        if demos is not None:
            archives.unpack(demos, Path(scratch) / "demos")
            found = str(Path(scratch) / "demos" / Path(str(run.demos)).name)
        root = Path.cwd()  # the copy of the folder with launch/
        paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
        log = log_of(folder)
        process = Process(run.command(root, folder, found), log, env=environment)

        def bring() -> None:
            if not cluster.shared:
                _answer(store.bring.remote(run.folder, attempt, archives.pack(folder)))

        brought = time.monotonic()
        try:
            while (code := process.wait(POLL)) is None:
                store.at.remote(run.folder, attempt, place(folder))
                if time.monotonic() - brought >= cluster.bring_every:
                    bring()
                    brought = time.monotonic()
        except KeyboardInterrupt:  # the sweep is stopped
            process.popen.send_signal(signal.SIGINT)
            code = process.popen.wait()
        line = process.last_line()
        bring()
        return code, line


def _answer(reference: Any) -> Any:
    """Return what an actor answers.

    It is waited for in another thread: Ray gives the CPU of a task whose main thread waits for an
    object to another task.
    """
    import ray

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(ray.get, reference).result()


def settle(runs: Sequence[Run]) -> None:
    """Put archives that a sweep which was killed has left in the place of their runs' folders."""
    for run in runs:
        if (brought := _archive(run.folder)).exists():
            archives.settle(brought)


def make_all(
    runs: Sequence[Run],
    root: Path,
    cluster: Cluster,
    overview: Overview,
    modules: Sequence[str] = (),
    commit: str = "",
) -> int:
    """Make runs on a cluster, and say on standard output what begins and how it ends.

    Args:
        runs: in the order in which they are begun.
        root: the folder that holds launch/; its source is copied to every machine.
        cluster: see there.
        overview: told of everything.
        modules: names of modules of the user's that runs import; copied too.
        commit: of the source.

    Returns:
        How many failed.

    Raises:
        BadInput: Ray is not installed, or there is no such cluster.
        KeyboardInterrupt: Ctrl-C was pressed; the runs have saved themselves.
    """
    if not runs:
        return 0
    with _connected(root, cluster, modules, commit) as ray:
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        store = ray.remote(num_cpus=0)(_Store).options(scheduling_strategy=here).remote()
        demos: dict[str | None, Any] = {
            where: ray.put(archives.pack_files(Path(where)))
            for where in {run.demos for run in runs if run.demos}
            if Path(where).exists()  # and is no minari:ID
        }
        # Ray itself begins a task again when its machine or its process dies, however often
        make = ray.remote(num_cpus=1, num_gpus=cluster.gpus, max_calls=1, max_retries=-1)(_make)
        left = {make.remote(run, store, cluster, demos.get(run.demos)): run for run in runs}
        by_folder = {run.folder: run for run in runs}
        failed = 0
        try:
            while left:
                done, _ = ray.wait([*left], timeout=POLL)
                for event in ray.get(store.events.remote()):
                    _note(overview, by_folder[event.folder], event)
                for reference in done:
                    failed += not _end(ray, reference, left.pop(reference), overview)
                if overview.due() and left:
                    slots = int(ray.cluster_resources().get("CPU", 0))
                    print(overview.table(slots), flush=True)
        except KeyboardInterrupt:
            for reference in left:
                ray.cancel(reference, recursive=False)
            ray.wait([*left], num_returns=len(left), timeout=_SECONDS_TO_STOP)
            settle(runs)
            raise
        return failed


def _note(overview: Overview, run: Run, event: _Event) -> None:
    """Tell the overview what a run said."""
    if event.where:
        print(f"begun: {run} on {event.where}", flush=True)
        overview.begun(run, event.where)
    if event.place:
        overview.at(run, *event.place)


def _end(ray: Any, reference: Any, run: Run, overview: Overview) -> bool:
    """Say how a run has ended, and put what it brought back in its place; return whether well."""
    try:
        code, line = ray.get(reference)
    except ray.exceptions.RayError as error:
        code, line = 1, one_line(error)
    settle([run])
    overview.ended(run, code == 0)
    failed = f"failed with code {code}: {run}: {line}"
    print(f"{ENDS[code]}: {run}" if code in ENDS else failed, flush=True)
    return code == 0


@contextmanager
def _connected(root: Path, cluster: Cluster, modules: Sequence[str], commit: str) -> Iterator[Any]:
    """Join a cluster, and send it the source.

    Raises:
        BadInput: Ray is not installed, or there is no such cluster.
    """
    if importlib.util.find_spec("ray") is None:
        raise BadInput("--engine=ray: ray is not installed; pip install -e '.[cluster]'")
    import ray
    import ray.exceptions
    import ray.util.scheduling_strategies

    environment: dict[str, Any] = {
        "working_dir": str(root),
        "excludes": [*_NOT_SHIPPED],
        "env_vars": {"MGAIL_TF_COMMIT": commit},
    }
    if sources := [*dict.fromkeys(path for path in map(_source, modules) if path)]:
        environment["py_modules"] = sources
    try:
        ray.init(
            cluster.address,
            runtime_env=environment,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        hint = "expected a cluster that this machine is part of (ray start --head)"
        found = one_line(error).split(". ")[0].rstrip(".")
        raise BadInput(f"--address={cluster.address}: {found}; {hint}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _source(module: str) -> str | None:
    """Return the file or folder of a module of the user's; None of one that is installed."""
    name = module.split(".")[0]
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.origin or spec.origin.startswith(sysconfig.get_path("purelib")):
        return None
    path = Path(spec.origin)
    return str(path.parent if path.name == "__init__.py" else path)
