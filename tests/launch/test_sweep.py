"""A sweep makes every run once, in a folder of its own, and says which failed."""

from pathlib import Path

import pytest

from mgail_tf.config.presets import ADDITIONS
from mgail_tf.data.demonstrations import Demonstrations
from mgail_tf.policies import experts
from tests.launch.running import contents, rows_of, run

pytestmark = pytest.mark.slow


@pytest.fixture
def flags(tmp_path, cartpole_demos, monkeypatch):
    """Return the flags of a sweep that clones CartPole's demonstrations, in the folder `sweep`."""
    monkeypatch.chdir(tmp_path)
    Path("cartpole.npz").write_bytes(cartpole_demos.read_bytes())
    shared = ["--algorithms=bc", "--tasks=cartpole", "--smoke", "--out=sweep"]
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


def test_runs_of_so_many_other_demonstrations_are_not_taken_for_these(
    flags, cartpole_demos, capsys
):
    size = "--num_trajectories=2"
    assert run("sweep", *flags, size, "--seeds=0") == 0
    shown = Demonstrations.load(cartpole_demos).sample(2)
    Path("cartpole.npz").unlink()
    shown.save("cartpole.npz")
    assert run("sweep", *flags, size, "--seeds=0") == 2
    assert "demos_sha256: another run's" in capsys.readouterr().err


@pytest.fixture
def begun(monkeypatch):
    """Return the runs that would be made, as they come."""
    runs: list = []
    monkeypatch.setattr("sweep.local.make_all", lambda given, *_: runs.extend(given) or 0)
    return runs


def test_ablations_are_the_paper_with_and_the_default_without_each(begun, tmp_path):
    flags = ["--ablations", "--tasks=hopper", f"--out={tmp_path}", "--seeds=3", "--set=gamma=0.5"]
    assert run("sweep", *flags) == 0
    without = {run.label for run in begun}
    begun.clear()
    assert run("sweep", *flags, "--subsample=1") == 0
    # a share of whole demonstrations has no effect where pairs are left out
    assert {run.label for run in begun} - without == {
        "paper+demonstrated_share",
        "default-demonstrated_share",
    }
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


def test_runs_are_of_every_algorithm_task_and_size(begun, tmp_path):
    flags = ["--algorithms=bc,mgail", "--tasks=hopper,humanoid", "--seeds=0,1", f"--out={tmp_path}"]
    assert run("sweep", *flags, "--num_trajectories=paper") == 0
    sizes = {"hopper": [4, 11, 18, 25], "humanoid": [80, 160, 240]}
    assert [(r.algorithm, r.task, r.num_trajectories, r.seed) for r in begun] == [
        (algorithm, task, size, seed)
        for algorithm in ("bc", "mgail")
        for task in ("hopper", "humanoid")
        for size in sizes[task]
        for seed in (0, 1)
    ]
    assert len({r.folder for r in begun}) == len(begun)
    assert begun[0].described["num_trajectories"] == 4
    assert "--num_trajectories=4" in begun[0].flags
    begun.clear()
    assert (
        run("sweep", *flags, "--num_trajectories=2,1", "--order=shortest", "--env_steps=6000") == 0
    )
    assert [r.algorithm for r in begun[:8]] == ["bc"] * 8
    assert all("--env_steps=6000" in r.flags for r in begun[8:])
    assert not any("--env_steps=6000" in r.flags for r in begun[:8])


def test_runs_of_other_data_or_held_out_episodes_are_not_taken_for_these(
    flags, cartpole_demos, capsys
):
    more = ["--subsample=1", "--held_out_trajectories=1", "--num_trajectories=2", "--seeds=0"]
    assert run("sweep", *flags, *more) == 0
    assert run("sweep", *flags, *more) == 0  # the same ones are finished
    assert "1 runs, 1 of them finished" in capsys.readouterr().out
    for name, fewer in (("subsample", more[1:]), ("held_out_sha256", [more[0], *more[2:]])):
        assert run("sweep", *flags, *fewer) == 2
        assert f"{name}: another run's" in capsys.readouterr().err
    # the committed expert's, once they are recorded
    recorded = experts.recorded_path("cartpole", 10)
    recorded.parent.mkdir(parents=True)
    recorded.write_bytes(b"others")
    assert run("sweep", *flags[:-1], *more) == 2
    assert "demos_sha256: another run's" in capsys.readouterr().err
