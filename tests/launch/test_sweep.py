"""A sweep makes every run once, in a folder of its own, and says which failed."""

from pathlib import Path

import pytest

from mgail_tf.config.presets import ADDITIONS
from mgail_tf.data.demonstrations import Demonstrations
from tests.launch.running import contents, rows_of, run

pytestmark = pytest.mark.slow


@pytest.fixture
def flags(tmp_path, cartpole_demos, monkeypatch):
    """Return the flags of a sweep that clones CartPole's demonstrations, in the folder `sweep`."""
    monkeypatch.chdir(tmp_path)
    Path("cartpole.npz").write_bytes(cartpole_demos.read_bytes())
    shared = ["--algorithm=bc", "--tasks=cartpole", "--smoke", "--out=sweep"]
    return [*shared, "--demos={task}.npz"]


def test_runs_are_made_once_and_failures_are_said(flags, cartpole_demos, capsys):
    label = "--label=v1.0/../x"
    folder = Path("sweep/bc-cartpole-v1.0_.._x-seed0")
    assert run("sweep", *flags, label, "--seeds=0") == 0
    assert "done: bc cartpole v1.0/../x seed 0" in capsys.readouterr().out
    assert {path.name for path in Path("sweep").iterdir()} == {
        *(folder.name, f"{folder.name}.log", "runs.csv"),
    }
    blocked = Path(f"{str(folder)[:-1]}1")
    blocked.write_text("a file where the run's folder should be")
    assert run("sweep", *flags, label, "--seeds=0,1,0") == 2
    printed = capsys.readouterr()
    assert "2 runs, 1 of them finished" in printed.out and "seed 0" not in printed.out
    assert "failed with code 2: bc cartpole v1.0/../x seed 1: error: " in printed.out
    assert "1 of 1 runs" in printed.err
    rows = rows_of(Path("sweep/runs.csv"))
    modes = [(row["variant"], row["seed"], row["mode"]) for row in rows]
    assert modes == [("v1.0/../x", "0", mode) for mode in ("deterministic", "stochastic")]
    assert rows[0]["demos_sha256"] == Demonstrations.load(cartpole_demos).sha256
    # what is finished is not taken for another run
    before = contents(Path("sweep"))
    shown = Demonstrations.load(cartpole_demos).sample(2)
    Path("cartpole.npz").unlink()
    shown.save("cartpole.npz")
    for other in ([], ["--set=batch_size=7"]):
        assert run("sweep", *flags, label, "--seeds=0", *other) == 2
        assert f"{folder}/config.json: " in capsys.readouterr().err
    assert contents(Path("sweep")) == before


def test_ablations_are_the_paper_with_and_the_default_without_each(tmp_path, capsys, monkeypatch):
    begun = []
    monkeypatch.setattr("sweep._train", lambda run, cores: begun.append(run) or True)
    flags = ["--ablations", "--tasks=hopper", f"--out={tmp_path}", "--seeds=3", "--set=gamma=0.5"]
    assert run("sweep", *flags) == 0
    labels = [run.label for run in begun]
    assert labels[:3] == ["paper", "released", "default"]
    assert {*labels[3:]} == {f"{a}{x}" for a in ("paper+", "default-") for x in ADDITIONS}
    assert len({run.folder for run in begun}) == len(begun)
    assert {run.described["config"]["gamma"] for run in begun} == {0.5}
    settings = {run.label: run.described["config"] for run in begun}
    for name, changes in ADDITIONS.items():
        for key in changes:
            assert settings[f"paper+{name}"][key] == settings["default"][key]
            assert settings[f"default-{name}"][key] == settings["paper"][key]
