"""A run that is stopped at random moments and resumed ends bit for bit as one that never was.

So it is also the same at the same seed; at another it is another.

`make test` kills every algorithm twice and presses Ctrl-C once; `make soak` does so ten times as
often (KILLS says how many kills).
"""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mgail_tf import actor, envs, experts

ROOT = Path(__file__).resolve().parent.parent
KILLS = int(os.environ.get("KILLS", "2"))
SEED = int(os.environ.get("KILL_SEED", "0"))  # of the moments
SETTINGS = {
    "train_bc": ["max_epochs=20"],
    "train_expert": ["env_steps=2400", "batch_steps=200", "value_epochs=1", "jit_compile=False"],
    "train_gail": [
        "env_steps=2000",
        "batch_steps=200",
        "value_epochs=1",
        "discriminator_steps=2",
        "jit_compile=False",
    ],
    "train_mgail": [
        "env_steps=140",
        "prefill_steps=60",
        "block=5",
        "horizon=2",
        "value_data=recorded",
        "model_noise=1",
        "unroll=True",
        "burn_in=1",
        "model_length=2",
        "jit_compile=False",
    ],
}


@pytest.fixture(scope="module")
def cartpole_demos(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("demos") / "cartpole.npz"
    spec = envs.make("cartpole", 0).spec
    experts.collect(experts.load("cartpole", spec), "cartpole", 1, 0, True, path)
    return path


@pytest.fixture(scope="module")
def run():
    """Return a function (script, out, flags, sign, event, seconds) -> (code, events, seconds)."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.killed_runs"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def run_once(script, out, flags, sign=0, event=None, seconds=None):
        process.stdin.write(json.dumps([script, str(out), flags, sign, event, seconds]) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    yield run_once
    process.stdin.close()
    process.wait()
    process.stdout.close()


def _table(path: Path) -> list[dict[str, str]]:
    """Return a CSV's rows without what is timed."""
    with path.open(newline="") as file:
        return [{**row, "wall_seconds": ""} for row in csv.DictReader(file)]


def _left(out: Path) -> dict:
    """Return what a finished run leaves behind, without what is timed."""
    assert not (out / "checkpoints").exists() and not (out / "rows.json").exists()
    found = {name: _table(out / f"{name}.csv") for name in ("progress", "results")}
    return {**found, "weights": actor.sha256(out / "policy.npz")}


@pytest.mark.parametrize("script", SETTINGS)
def test_stopped_run_ends_as_one_that_was_not(tmp_path, cartpole_demos, run, script):
    rng = np.random.default_rng([SEED, list(SETTINGS).index(script)])
    out = tmp_path / "run"
    flags = ["--task=cartpole", "--episodes=2", "--checkpoint_every=0", f"--out={out}"]
    flags += [f"--set={text}" for text in SETTINGS[script]]
    flags += [f"--results={out}/results.csv"]
    flags += [] if script == "train_expert" else [f"--demos={cartpole_demos}"]
    resumed = [*flags, "--resume"]

    def said() -> str:
        return Path(f"{out}.log").read_text()[-2000:]

    def ended(code) -> bool:
        finished = code == 2 and said().endswith("run: the run is finished; choose another --out\n")
        assert finished or code in (0, -9, 130), said()  # killed in its very last steps, it says so
        return code == 0 or finished

    code, events, seconds = run(script, out, flags)
    assert ended(code)
    expected = _left(out)
    out.rename(tmp_path / "whole")
    assert ended(run(script, out, [*flags, "--seed=1"])[0])
    other = _left(out)  # another seed is another run
    assert other["progress"] != expected["progress"] and other["weights"] != expected["weights"]
    out.rename(tmp_path / "other")
    stops = [("kill at a time", "kill at a file", "Ctrl-C")[i % 3] for i in range(KILLS * 3 // 2)]
    ends = 0
    while stops or out.exists():
        at: tuple = ()
        if stops:
            sign = signal.SIGINT if stops[0] == "Ctrl-C" else signal.SIGKILL
            at = (sign, None, rng.uniform(0.2, 1) * seconds)
            at = (sign, int(rng.integers(1, events)), None) if "file" in stops[0] else at
        code = run(script, out, resumed, *at)[0]
        if ended(code):
            assert _left(out) == expected
            ends += 1
            out.rename(tmp_path / f"end-{ends}")
            continue
        assert code == (130 if stops.pop(0) == "Ctrl-C" else -9)
        assert "Traceback" not in said()


def test_stopped_run_belongs_to_one_config(tmp_path, cartpole_demos, run):
    out = tmp_path / "run"
    flags = ["--task=cartpole", "--episodes=2", "--checkpoint_every=0", f"--out={out}"]
    flags += [f"--demos={cartpole_demos}", "--set=max_epochs=40"]
    code, events, _ = run("train_bc", out, flags)
    assert code == 0
    out.rename(tmp_path / "whole")
    assert run("train_bc", out, flags, signal.SIGKILL, events // 2)[0] == -9
    for more, reason in (
        ([], "exists and is not empty"),
        (["--resume", "--seed=1"], "config.json is another run's"),
        (["--resume", "--set=batch=64"], "config.json is another run's"),
    ):
        assert run("train_bc", out, [*flags, *more])[0] == 2
        assert reason in Path(f"{out}.log").read_text().splitlines()[-1]
    assert run("train_bc", out, [*flags, "--resume"])[0] == 0
    assert run("train_bc", out, [*flags, "--resume"])[0] == 2
    assert "finished" in Path(f"{out}.log").read_text().splitlines()[-1]
