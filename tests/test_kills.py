"""A run that is killed at random moments and resumed ends bit for bit as one that never was.

So it is also the same at the same seed; at another it is another.

`make test` kills every algorithm twice, `make soak` twenty times (KILLS says how often).
"""

import csv
import json
import os
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
    "train_bc": ["max_epochs=40"],
    "train_expert": ["env_steps=4000", "batch_steps=200", "value_epochs=1", "jit_compile=False"],
    "train_gail": [
        "env_steps=2000",
        "batch_steps=200",
        "value_epochs=1",
        "discriminator_steps=2",
        "jit_compile=False",
    ],
    "train_mgail": [
        "env_steps=180",
        "prefill_steps=60",
        "block=5",
        "horizon=3",
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
    """Return a function (script, out, flags, event, seconds) -> (code, operations, seconds)."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.killed_runs"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def run_once(script, out, flags, event=None, seconds=None):
        process.stdin.write(json.dumps([script, str(out), flags, event, seconds]) + "\n")
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
def test_killed_run_ends_as_one_that_was_not(tmp_path, cartpole_demos, run, script):
    rng = np.random.default_rng([SEED, list(SETTINGS).index(script)])
    out = tmp_path / "run"
    flags = ["--task=cartpole", "--episodes=2", "--checkpoint_every=0", "--resume", f"--out={out}"]
    flags += [f"--set={text}" for text in SETTINGS[script]]
    flags += [f"--results={out}/results.csv"]
    flags += [] if script == "train_expert" else [f"--demos={cartpole_demos}"]

    def ended(code) -> bool:
        said = Path(f"{out}.log").read_text()[-2000:]
        finished = code == 2 and said.endswith("run: the run is finished; choose another --out\n")
        assert finished or code in (0, -9), said  # killed in its very last steps, it says so
        return code == 0 or finished

    code, events, seconds = run(script, out, flags)
    assert ended(code)
    expected, kills = _left(out), 0
    out.rename(tmp_path / "whole")
    assert ended(run(script, out, [*flags, "--seed=1"])[0])
    other = _left(out)  # another seed is another run
    assert other["progress"] != expected["progress"] and other["weights"] != expected["weights"]
    out.rename(tmp_path / "other")
    while kills < KILLS or out.exists():
        at: tuple[int | None, float | None] = (None, None)
        if kills < KILLS:  # by turns at a file operation and at any time
            at = (
                (int(rng.integers(1, events)), None)
                if kills % 2
                else (None, rng.uniform(0, seconds))
            )
        if ended(run(script, out, flags, *at)[0]):
            assert _left(out) == expected
            out.rename(tmp_path / f"after-{kills}-kills")
        else:
            kills += 1
