"""Run a script again and again in forks of one process, each killed at a chosen moment.

A line on standard input is a run, a JSON list [script, out, flags, sign, event, seconds]. Its
fork is sent the signal `sign` at the `event`-th file operation on `out` (writing a member of a
checkpoint, flushing, renaming, removing, ...), or after `seconds`, or is left to end. A line
[code, events, seconds] answers: the exit code (-9 where it was killed), how many operations there
were, how long it took. Forks save the start of TensorFlow, which no fork may have used before.
"""

import importlib
import json
import os
import sys
import threading
import time
import zipfile

EVENTS = ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate")


def count_events(out: str, sign: int, fatal: int | None, tell: int) -> None:
    """Count this process's file operations on `out` to descriptor `tell`; be stopped at one."""
    count = 0

    def happened() -> None:
        nonlocal count
        count += 1
        if count == fatal:
            os.kill(os.getpid(), sign)
        os.write(tell, b".")

    def hook(event: str, args: tuple) -> None:
        named = event in EVENTS and isinstance(args[0], str | os.PathLike)
        if named and os.fspath(args[0]).startswith(out):
            happened()

    def counted(function):
        def wrapper(*args, **kwargs):
            happened()
            return function(*args, **kwargs)

        return wrapper

    sys.addaudithook(hook)
    os.fsync = counted(os.fsync)
    zipfile.ZipFile.open = counted(zipfile.ZipFile.open)  # between the members of a checkpoint


def run(script, out: str, flags: list[str], sign: int, fatal: int | None, seconds) -> list:
    """Run the script in a fork; return [exit code, file operations, seconds]."""
    read, write = os.pipe()
    begun = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        log = os.open(out + ".log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        count_events(out, sign, fatal, write)
        os._exit(script.main([script.__name__, *flags]))
    os.close(write)
    timer = threading.Timer(seconds or 1e6, os.kill, (pid, sign))
    timer.daemon = True
    timer.start()
    with os.fdopen(read, "rb") as file:
        events = len(file.read())  # until the fork is gone
    _, status = os.waitpid(pid, 0)
    timer.cancel()
    return [os.waitstatus_to_exitcode(status), events, time.monotonic() - begun]


def serve() -> None:
    """Answer one run after another."""
    import _flags

    import mgail_tf as mg

    _flags.load_tensorflow(1)
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    for name in mg.__all__:  # they are imported when they are first used
        getattr(mg, name)
    for line in sys.stdin:
        name, *rest = json.loads(line)
        print(json.dumps(run(importlib.import_module(name), *rest)), flush=True)


if __name__ == "__main__":
    serve()
