"""A run that is stopped at random moments and resumed ends bit for bit as one that never was.

So it is also the same at the same seed; at another it is another.

`make test` kills every algorithm twice and presses Ctrl-C once; `make soak` does so ten times as
often (KILLS says how many kills).
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mgail_tf.policies.numpy_policy import sha256
from tests.launch.running import ROOT, rows_of

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("KILLS", "2"))
SEED = int(os.environ.get("KILL_SEED", "0"))  # of the moments
TRPO = ["--set=batch_steps=200", "--set=value_epochs=1", "--set=compile=graph"]
MGAIL = {
    **{"prefill_steps": 60, "updates_per_call": 5, "horizon": 2, "sequence_length": 2},
    **{"value_targets": "recorded", "model_noise": 1, "compile": "graph"},
}
FLAGS = {
    "train_bc": ["--set=max_epochs=20"],
    "train_expert": ["--env_steps=2400", *TRPO],
    "train_gail": ["--env_steps=2000", *TRPO, "--set=discriminator_steps=2"],
    "train_mgail": ["--env_steps=140", *(f"--set={name}={value}" for name, value in MGAIL.items())],
}
STOPS = ("kill at a time", "kill at a file", "Ctrl-C")


@pytest.fixture(scope="module")
def run():
    """Return a function (script, out, flags, sign, event, seconds) -> (code, events, seconds)."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.launch.killed_runs"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'launch'}"},
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


def _untimed(rows: list[dict]) -> list[dict]:
    # the commit is not of the run: somebody may commit while this test runs
    return [{**row, "wall_seconds": "", "commit": ""} for row in rows]


def _left(out: Path) -> dict:
    """Return what a finished run leaves behind, without what is timed."""
    assert not (out / "checkpoints").exists()
    return {
        "progress": _untimed(rows_of(out / "progress.csv")),
        "rows": _untimed(json.loads((out / "final.json").read_text())["rows"]),
        "weights": sha256(out / "policy.npz"),
    }


@pytest.mark.parametrize("script", FLAGS)
def test_stopped_run_ends_as_one_that_was_not(tmp_path, cartpole_demos, run, script):
    rng = np.random.default_rng([SEED, list(FLAGS).index(script)])
    out = tmp_path / "run"
    flags = ["--task=cartpole", "--episodes=2", "--checkpoint_every=0", f"--out={out}"]
    flags += FLAGS[script]
    flags += [] if script == "train_expert" else [f"--demos={cartpole_demos}"]
    resumed = [*flags, "--resume"]

    def said() -> str:
        return Path(f"{out}.log").read_text()[-2000:]

    code, events, seconds = run(script, out, flags)
    assert code == 0, said()
    expected = _left(out)
    out.rename(tmp_path / "whole")
    if script == "train_bc":  # another seed is another run; agents' own tests say so of the others
        assert run(script, out, [*flags, "--seed=1"])[0] == 0
        other = _left(out)
        assert other["progress"] != expected["progress"] and other["weights"] != expected["weights"]
        out.rename(tmp_path / "other")
    stops = [STOPS[i % 3] for i in range(KILLS * 3 // 2)]
    ends = 0
    while stops or out.exists():
        at: tuple = ()
        if stops:
            sign = signal.SIGINT if stops[0] == "Ctrl-C" else signal.SIGKILL
            at = (sign, None, rng.uniform(0.2, 1) * seconds)
            at = (sign, int(rng.integers(1, events)), None) if "file" in stops[0] else at
        code = run(script, out, resumed, *at)[0]
        if code == 0:
            assert _left(out) == expected
            ends += 1
            out.rename(tmp_path / f"end-{ends}")
            continue
        assert code == (130 if stops.pop(0) == "Ctrl-C" else -9), said()
        assert "Traceback" not in said()
    assert ends


def test_stopped_run_belongs_to_one_config_and_a_finished_one_is_made_once(
    tmp_path, cartpole_demos, run
):
    out = tmp_path / "run"
    flags = ["--task=cartpole", "--episodes=2", "--checkpoint_every=0", f"--out={out}"]
    flags += [f"--demos={cartpole_demos}", "--set=max_epochs=40"]

    def said() -> list[str]:
        return Path(f"{out}.log").read_text().splitlines()

    code, events, _ = run("train_bc", out, flags)
    assert code == 0
    scores = said()[-2:]
    out.rename(tmp_path / "whole")
    assert run("train_bc", out, flags, signal.SIGKILL, events // 2)[0] == -9
    for _ in ("killed", "finished"):
        for more, named in (
            ([], ""),
            (["--resume", "--seed=1"], "config.json: seed: "),
            (["--resume", "--set=batch_size=64"], "config.json: config.batch_size: "),
        ):
            assert run("train_bc", out, [*flags, *more])[0] == 2
            assert f"error: {out}: {named}" in said()[-1]  # it may end a progress bar's line
        assert run("train_bc", out, [*flags, "--resume"])[0] == 0
        assert said()[-2:] == scores
    assert _left(out) == _left(tmp_path / "whole")
