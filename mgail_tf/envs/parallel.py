"""Stepping several environments, shared out among worker processes.

What is collected depends on how many environments there are, not on how many processes step them.
"""

import contextlib
import multiprocessing
import os
import pickle
import signal
import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np

from mgail_tf.checkpoint import Resumable
from mgail_tf.envs.gym_env import EnvLike, copy_of, make, owned
from mgail_tf.envs.rollout import Collector, Policy
from mgail_tf.errors import BadInput, one_line
from mgail_tf.types import Episode


def _collector(env: EnvLike, seed: int, index: int) -> Collector:
    """Return the collector of environment `index`; the first one's seeds are the run's own."""
    if not index:
        return Collector(make(env, seed), np.random.default_rng([seed, 1]))
    env_seed = int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
    return Collector(make(owned(env), env_seed), np.random.default_rng([seed, 1, index]))


def _each(env: EnvLike, indices: list[int]) -> list[EnvLike]:
    """Return what each environment is made of: the object itself, then copies of it."""
    copies: list[EnvLike] = []
    for index in indices:
        made = env if index == 0 else copy_of(env)
        if made is None:
            expected = "expected a function that makes one, or num_envs=1"
            raise BadInput(f"environment: the object cannot be copied; {expected}")
        copies.append(made)
    return copies


class _Share:
    """Some of the environments, stepped in turn by one process."""

    def __init__(self, envs: list[EnvLike], seed: int, indices: list[int]):
        self._collectors = [_collector(env, seed, i) for env, i in zip(envs, indices, strict=True)]

    def collect(self, policy: Policy, steps: list[int]) -> tuple[list[Episode], list[Any]]:
        """Return the episodes of `steps` in each, and (return, length) of those that ended."""
        episodes, finished = [], []
        for collector, count in zip(self._collectors, steps, strict=True):
            episodes += collector.collect(policy, count)
            finished += collector.finished
            collector.finished.clear()
        return episodes, finished

    def abandon(self) -> None:
        for collector in self._collectors:
            collector.abandon()

    def close(self) -> None:
        for collector in self._collectors:
            collector.env.close()

    def state_dict(self) -> list[Any]:
        return [collector.state_dict() for collector in self._collectors]

    def load_state_dict(self, saved: list[Any]) -> None:
        for collector, state in zip(self._collectors, saved, strict=True):
            collector.load_state_dict(state)


def _serve(pipe: Any, *share: Any) -> None:
    """Answer (number, method, arguments) with (number, result, error) until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    os.environ["MUJOCO_GL"] = "disabled"  # nothing is rendered here
    held: _Share | None = None
    try:
        while True:
            number, method, arguments = pipe.recv()
            result, failure = None, None
            try:
                held = held or _Share(*share)
                result = getattr(held, method)(*arguments)
            except Exception as error:
                failure = error
            pipe.send((number, result, failure))
    except (EOFError, OSError):  # the parent is gone
        pass
    finally:
        if held:
            held.close()


def _end(pipe: Any, process: Any) -> None:
    """Let a worker close its environments; it does when the pipe is closed."""
    pipe.close()
    process.join(5.0)


class _Worker:
    """A share in a process of its own, without TensorFlow."""

    def __init__(self, *share: Any):
        context = multiprocessing.get_context("spawn")  # TensorFlow's threads do not fork
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, *share), daemon=True)
        try:
            self._process.start()
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            expected = "expected one that can be pickled, its id, or workers=1"
            raise BadInput(f"workers: environment: {one_line(error)}; {expected}") from error
        theirs.close()
        self._asked = 0
        weakref.finalize(self, _end, self._pipe, self._process)

    def ask(self, method: str, *arguments: Any) -> None:
        self._asked += 1
        with contextlib.suppress(BrokenPipeError):  # `answer` says so
            self._pipe.send((self._asked, method, arguments))

    def answer(self) -> Any:
        """Return the result of what was asked last; answers that nobody waited for are dropped."""
        number = 0
        try:
            while number != self._asked:
                number, result, error = self._pipe.recv()
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

    def __init__(self, env: EnvLike, seed: int, num_envs: int = 1, workers: int = 1):
        """Make the environments.

        Args:
            workers: processes that step them; 1 is this one. Does not change what is collected.

        Raises:
            BadInput: there is no worker or more than environments, or an environment object cannot
                be copied or sent to a process.
        """
        if not 1 <= workers <= num_envs:
            expected = f"from 1 to {num_envs} (num_envs)"
            raise BadInput(f"workers: found {workers}, expected {expected}")
        shares = np.array_split(np.arange(num_envs), workers)
        self._counts = [len(share) for share in shares]
        kind = _Here if len(shares) == 1 else _Worker
        self._shares = [kind(_each(env, share.tolist()), seed, share.tolist()) for share in shares]
        self.env_steps = 0
        self.finished: list[tuple[float, float]] = []
        self._interrupted = False

    def _all(self, method: str, *columns: Any) -> list[Any]:
        """Ask every share, each with its part of the columns, then wait for all."""
        starts = np.cumsum([0, *self._counts])
        try:
            for share, start, count in zip(self._shares, starts, self._counts, strict=False):
                share.ask(method, *(c(start, count) for c in columns))
            return [share.answer() for share in self._shares]
        except BaseException:
            self._interrupted = True
            raise

    def collect(self, policy: Policy, steps: int) -> list[Episode]:
        """Take `steps` steps in all; each environment's last Episode may be continued later."""
        if self._interrupted:  # steps were lost, so nothing may continue them
            self._all("abandon")
            self._interrupted = False
        environments = sum(self._counts)
        each = [(steps + i) // environments for i in range(environments)]
        results = self._all("collect", lambda *_: policy, lambda a, n: each[a : a + n])
        self.env_steps += steps
        self.finished += [pair for _, finished in results for pair in finished]
        return [episode for episodes, _ in results for episode in episodes]

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs, the same for any number of workers."""
        states = [state for states in self._all("state_dict") for state in states]
        collectors = {str(i): state for i, state in enumerate(states)}
        finished = [list(pair) for pair in self.finished]
        return {"collectors": collectors, "env_steps": self.env_steps, "finished": finished}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go back to where `state_dict()` was asked."""
        states = list(saved["collectors"].values())
        self._all("load_state_dict", lambda a, n: states[a : a + n])
        self.env_steps = saved["env_steps"]
        self.finished = [(pair[0], pair[1]) for pair in saved["finished"]]
        self._interrupted = False
