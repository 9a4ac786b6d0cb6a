"""Stepping several environments, shared out among worker processes.

What is collected depends on how many environments there are, not on how many processes step them.
"""

import contextlib
import multiprocessing
import signal
from collections.abc import Mapping
from typing import Any

import numpy as np

from mgail_tf import envs
from mgail_tf.actor import Actor
from mgail_tf.checkpoint import Resumable
from mgail_tf.rollout import Collector
from mgail_tf.types import BadInput, Episode


def _collector(task: str, seed: int, index: int) -> Collector:
    """Return the collector of environment `index`; the first one's seeds are the run's own."""
    if not index:
        return Collector(envs.make(task, seed), np.random.default_rng([seed, 1]))
    env_seed = int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
    return Collector(envs.make(task, env_seed), np.random.default_rng([seed, 1, index]))


class _Share:
    """Some of the environments, stepped in turn by one process."""

    def __init__(self, task: str, seed: int, indices: list[int]):
        self._collectors = [_collector(task, seed, i) for i in indices]

    def collect(self, policy: Actor, steps: list[int]) -> tuple[list[Episode], list[Any]]:
        """Return the episodes of `steps` in each, and (return, length) of those that ended."""
        episodes, finished = [], []
        for collector, count in zip(self._collectors, steps, strict=True):
            episodes += collector.collect(policy, count)
            finished += collector.finished
            collector.finished.clear()
        return episodes, finished

    def state(self) -> list[Any]:
        return [collector.state() for collector in self._collectors]

    def restore(self, saved: list[Any]) -> None:
        for collector, state in zip(self._collectors, saved, strict=True):
            collector.restore(state)


def _serve(pipe: Any, *share: Any) -> None:
    """Answer (method, arguments) with (result, error) until the other end is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    held = None
    while True:
        try:
            method, arguments = pipe.recv()
        except EOFError:
            return
        try:
            held = held or _Share(*share)
            pipe.send((getattr(held, method)(*arguments), None))
        except Exception as error:
            pipe.send((None, error))


class _Worker:
    """A share in a process of its own, without TensorFlow."""

    def __init__(self, *share: Any):
        context = multiprocessing.get_context("spawn")  # TensorFlow's threads do not fork
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, *share), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, method: str, *arguments: Any) -> None:
        with contextlib.suppress(BrokenPipeError):  # `answer` says so
            self._pipe.send((method, arguments))

    def answer(self) -> Any:
        try:
            result, error = self._pipe.recv()
        except (EOFError, ConnectionResetError) as ended:
            self._process.join()
            code = self._process.exitcode
            raise BadInput(
                f"a worker process ended (exit code {code}); --resume goes on"
            ) from ended
        if error is not None:
            raise error
        return result


class _Here:
    """A share in this process."""

    def __init__(self, *share: Any):
        self._share = _Share(*share)

    def ask(self, method: str, *arguments: Any) -> None:
        self._result = getattr(self._share, method)(*arguments)

    def answer(self) -> Any:
        return self._result


class Collectors(Resumable):
    """What one `Collector` does, with several environments and processes."""

    def __init__(self, task: str, seed: int, environments: int = 1, workers: int = 1):
        """Make the environments.

        Args:
            workers: processes that step them; 1 is this one. Does not change what is collected.
        """
        shares = np.array_split(np.arange(environments), min(workers, environments))
        self._counts = [len(share) for share in shares]
        kind = _Here if len(shares) == 1 else _Worker
        self._shares = [kind(task, seed, share.tolist()) for share in shares]
        self.env_steps = 0
        self.finished: list[tuple[float, float]] = []

    def _all(self, method: str, *columns: Any) -> list[Any]:
        """Ask every share, each with its part of the columns, then wait for all."""
        starts = np.cumsum([0, *self._counts])
        for share, start, count in zip(self._shares, starts, self._counts, strict=False):
            share.ask(method, *(c(start, count) for c in columns))
        return [share.answer() for share in self._shares]

    def collect(self, policy: Actor, steps: int) -> list[Episode]:
        """Take `steps` steps in all; each environment's last Episode may be continued later."""
        environments = sum(self._counts)
        each = [(steps + i) // environments for i in range(environments)]
        results = self._all("collect", lambda *_: policy, lambda a, n: each[a : a + n])
        self.env_steps += steps
        self.finished += [pair for _, finished in results for pair in finished]
        return [episode for episodes, _ in results for episode in episodes]

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs, the same for any number of workers."""
        states = [state for states in self._all("state") for state in states]
        collectors = {str(i): state for i, state in enumerate(states)}
        finished = [list(pair) for pair in self.finished]
        return {"collectors": collectors, "env_steps": self.env_steps, "finished": finished}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go back to where `state()` was asked."""
        states = list(saved["collectors"].values())
        self._all("restore", lambda a, n: states[a : a + n])
        self.env_steps = saved["env_steps"]
        self.finished = [(pair[0], pair[1]) for pair in saved["finished"]]
