"""Every script, as a user runs it: --help says what it takes, --smoke does the job."""

import dataclasses
import importlib
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import _flags
import numpy as np
import pytest
from PIL import Image

from mgail_tf.agents.mgail import learner
from mgail_tf.config.algorithms import CONFIGS
from mgail_tf.config.presets import PRESETS
from mgail_tf.envs.gym_env import make
from mgail_tf.policies import experts
from tests import toys
from tests.checks import refusal
from tests.launch.running import ROOT, SCRIPTS, rows_of, run

PNG = b"\x89PNG"


def _scalars(out: Path) -> dict[tuple[int, str], float]:
    """Return what the run's TensorBoard file holds, by step and name."""
    import tensorflow as tf

    (file,) = (out / "tensorboard").iterdir()
    return {
        (event.step, value.tag): float(tf.make_ndarray(value.tensor))
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
    }


def _check_tensorboard(out: Path, place: str = "env_steps") -> None:
    """TensorBoard's file holds what progress.csv does, but for what is not a number."""
    found = _scalars(out)
    for row in rows_of(out / "progress.csv"):
        step = int(row.pop(place))
        del row["wall_seconds"]
        for name, value in row.items():
            assert (value == "nan") == ((step, name) not in found)
            assert value == "nan" or found[step, name] == pytest.approx(float(value))


# -- help --------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_lists_every_flag_with_its_meaning(script, capsys):
    assert run(script, "--help") == 0
    printed = " ".join(capsys.readouterr().out.split())
    module = importlib.import_module(script)
    assert module.__doc__.splitlines()[0] in printed
    for name in module.FLAGS:
        meaning = " ".join(module.FLAGS[name].help.split())
        assert f"--{name}: {meaning}" in printed or f"--[no]{name}: {meaning}" in printed
        assert len(meaning) > 10 or name in meaning


@pytest.mark.parametrize("script", ["train_bc", "train_expert", "train_gail", "train_mgail"])
def test_help_settings_lists_every_setting_with_its_meaning(script, capsys):
    algorithm = "trpo" if script == "train_expert" else script.removeprefix("train_")
    assert run(script, "--help_settings") == 0
    lines = capsys.readouterr().out.splitlines()
    defaults = dataclasses.asdict(CONFIGS[algorithm]())
    assert lines[::2] == [f"  {name}={value}" for name, value in defaults.items()]
    assert all(len(meaning.strip()) > 5 for meaning in lines[1::2])


@pytest.mark.parametrize("method", ["forward_training", "smile", "dagger"])
def test_help_settings_lists_those_of_the_method(method, capsys):
    assert run("train_interactive", "--help_settings", f"--method={method}") == 0
    lines = capsys.readouterr().out.splitlines()
    defaults = dataclasses.asdict(CONFIGS[method]())
    assert lines[::2] == [f"  {name}={value}" for name, value in defaults.items()]
    assert all(len(meaning.strip()) > 5 for meaning in lines[1::2])


# -- the environment of a policy ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["policy.npz", "policy.onnx", "exported"])
def test_environment_is_that_of_the_policy(name, tmp_path):
    policy = experts.load("acrobot", make("acrobot", 0).spec)
    if name == "policy.npz":
        policy.save(tmp_path / name)
    else:
        policy.export(tmp_path / name, format="onnx" if name.endswith("onnx") else "saved_model")
    given = {"policy": str(tmp_path / name), "env_kwargs": None}
    assert _flags.environment_of_policy(given) == {"task": "acrobot"}
    several = {"policies": [given["policy"], "another.npz"], "env_kwargs": None}
    assert _flags.environment_of_policy(several) == {"task": "acrobot"}


def test_environment_of_a_policy_is_what_its_run_says(tmp_path):
    experts.load("acrobot", make("acrobot", 0).spec).save(tmp_path / "policy.npz")
    described = {"task": "Acrobot-v1", "env_kwargs": '{"wind": 2}'}
    (tmp_path / "config.json").write_text(json.dumps(described))
    for path in (tmp_path, tmp_path / "policy.npz"):
        given = {"policy": str(path), "env_kwargs": None}
        assert _flags.environment_of_policy(given) == described
        given["env_kwargs"] = "{}"
        assert _flags.environment_of_policy(given) == {"task": "Acrobot-v1", "env_kwargs": "{}"}


def test_environment_of_a_policy_has_the_time_limit_and_the_wrappers_of_its_run(tmp_path):
    (tmp_path / "policies").mkdir()
    experts.load("acrobot", make("acrobot", 0).spec).save(tmp_path / "policies/step_10.npz")
    given = {"policy": str(tmp_path / "policies/step_10.npz"), "env_kwargs": None}
    config = {"task": "Acrobot-v1", "max_steps": 50}
    (tmp_path / "config.json").write_text(json.dumps(config))
    limited = _flags.environment_of_policy(given)
    assert limited == {"task": "Acrobot-v1", "env_kwargs": '{"max_episode_steps": 50}'}
    assert (
        make(_flags.environment({**limited, "import": []}, "Acrobot-v1")[1], 0).spec.max_steps == 50
    )
    (tmp_path / "config.json").write_text(json.dumps(config | {"max_steps": 500}))
    assert _flags.environment_of_policy(given) == {"task": "Acrobot-v1", "env_kwargs": ""}
    (tmp_path / "config.json").write_text(json.dumps(config | {"wrappers": ["RescaleAction"]}))
    refused = refusal(tmp_path, _flags.environment_of_policy, given)
    assert refused.startswith("found a run in RescaleAction, expected none as of Acrobot-v1")


@pytest.mark.parametrize("content", ["[1, 2]", "{}", "{", '"task"'])
def test_another_file_beside_a_policy_says_nothing_of_its_environment(content, tmp_path):
    experts.load("acrobot", make("acrobot", 0).spec).save(tmp_path / "policy.npz")
    (tmp_path / "config.json").write_text(content)
    given = {"policy": str(tmp_path), "env_kwargs": None}
    assert _flags.environment_of_policy(given) == {"task": "acrobot"}


def test_every_policy_may_lie_in_the_home_folder(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    flags = "--task=cartpole", "--policies=~/one,~/two"
    assert run("record_video", *flags, f"--out={tmp_path / 'film.gif'}") == 2
    assert f"{tmp_path / 'one'}" in capsys.readouterr().err


def test_a_released_policy_is_of_its_task():
    assert _flags.environment_of_policy({"policy": "ant", "env_kwargs": None}) == {"task": "ant"}


def test_without_a_policy_no_environment_is_known(tmp_path):
    assert _flags.environment_of_policy({"policy": None, "policies": []}) == {}
    assert _flags.environment_of_policy({"policy": str(tmp_path / "no.npz")}) == {}
    assert _flags.environment_of_policy({}) == {}


# -- jobs --------------------------------------------------------------------------------------


def test_mgail_is_trained_scored_exported_and_drawn(tmp_path, cartpole_demos, capsys):
    """The one run of `make quick`."""
    out = tmp_path / "run"
    flags = ["--task=cartpole", f"--demos={cartpole_demos}", "--smoke", f"--out={out}"]
    assert run("train_mgail", *flags) == 0
    printed = capsys.readouterr().out
    rows = json.loads((out / "final.json").read_text())["rows"]
    assert [row["mode"] for row in rows] == ["deterministic", "stochastic"]
    assert all(f"{row['return_mean']:.1f}" in printed for row in rows)
    assert (out / "curve.png").read_bytes().startswith(PNG)
    progress = rows_of(out / "progress.csv")
    for name in ("evaluation", "open_loop_1", "logit_agent", "action_share", "logit_imagined"):
        assert any(row[name] != "nan" for row in progress)
    _check_tensorboard(out)
    assert run("diagnose", out) == 0
    assert (out / "diagnosis.png").read_bytes().startswith(PNG)
    capsys.readouterr()
    scores = []
    for policy in (f"--policy={out}", f"--policy={out / 'saved_model'}"):
        assert run("evaluate", policy, "--smoke") == 0  # the environment is the run's
        scores.append(capsys.readouterr().out.splitlines()[-2])
    assert scores[0] == scores[1] and "CartPole-v1" in scores[0] and "deterministic" in scores[0]
    assert run("compare_runs", out, f"--out={tmp_path / 'runs.png'}") == 0
    assert (tmp_path / "runs.png").read_bytes().startswith(PNG)
    assert f"{rows[0]['return_mean']:.1f}" in capsys.readouterr().out
    assert run("train_mgail", *flags, "--resume") == 0  # it is finished
    assert capsys.readouterr().out == printed


@pytest.mark.slow
def test_imitators_are_collected_into_one_table(tmp_path, cartpole_demos, capsys):
    changes = {
        "forward_model": "hadamard_gru",
        "rollout": "replay",
        "value_targets": None,
        "observation_components": 3,
    }
    sets = [f"--set={name}={value}" for name, value in changes.items()]
    runs, out = tmp_path / "runs", tmp_path / "tables"
    for name, more in (("bc", []), ("mgail", sets), ("gail", [])):
        flags = ["--task=cartpole", f"--demos={cartpole_demos}", "--smoke", *more]
        assert run(f"train_{name}", *flags, f"--out={runs / name}") == 0
        _check_tensorboard(runs / name, "epoch" if name == "bc" else "env_steps")
    config = json.loads((runs / "mgail/config.json").read_text())["config"]
    assert {name: config[name] for name in changes} == changes
    assert config["horizon"] == 3  # --smoke's
    capsys.readouterr()
    for new in (6, 0):
        assert run("collect", runs / "bc", "--out", out, runs / "mgail", runs / "gail") == 0
        assert f"{out / 'runs.csv'}: {new} new rows, 6 in all" in capsys.readouterr().out
    algorithms = [row["algorithm"] for row in rows_of(out / "runs.csv")]
    assert algorithms == ["bc", "bc", "mgail", "mgail", "gail", "gail"]
    assert {row["algorithm"] for row in rows_of(out / "curves.csv")} == {"mgail", "gail"}


@pytest.mark.slow
def test_expert_is_asked_by_every_method(tmp_path, capsys):
    for method, trajectories in (("forward_training", 3), ("smile", 1.5), ("dagger", 1.5)):
        out = tmp_path / method
        flags = ["--task=cartpole", f"--method={method}", f"--out={out}", "--smoke"]
        assert run("train_interactive", *flags) == 0
        printed = capsys.readouterr().out
        assert "30 expert queries" in printed
        row = json.loads((out / "final.json").read_text())["rows"][0]
        assert (row["expert_queries"], row["num_trajectories"]) == (30, trajectories)
        assert row["subsample"] == (1 if method == "forward_training" else 10)
        assert row["variant"] == ("T10" if method == "forward_training" else "default")
        _check_tensorboard(out, "expert_queries")
        assert run("train_interactive", *flags, "--resume") == 0  # it is finished
        assert capsys.readouterr().out == printed
        if method == "forward_training":  # its environment is another one: a shorter one
            continue
        scores = []
        for policy in (f"--policy={out / 'policy.npz'}", f"--policy={out / 'saved_model'}"):
            assert run("evaluate", "--task=cartpole", policy, "--smoke") == 0
            scores.append(capsys.readouterr().out.splitlines()[-2])
        assert scores[0] == scores[1] and "deterministic" in scores[0]
    names = [tmp_path / name for name in ("forward_training", "smile", "dagger")]
    assert run("collect", *names, "--out", tmp_path / "tables") == 0
    assert len(rows_of(tmp_path / "tables/runs.csv")) == 6


@pytest.mark.slow
def test_expert_is_trained_collected_and_exported(tmp_path, capsys):
    out, npz, model = tmp_path / "expert", tmp_path / "demos.npz", tmp_path / "model"
    assert run("train_expert", "--task=Pendulum-v1", "--smoke", f"--out={out}") == 0
    assert len(rows_of(out / "progress.csv")) == 2
    _check_tensorboard(out)
    flags = ["--task=Pendulum-v1", f"--policy={out / 'policy.npz'}", "--smoke"]
    written = []
    for _ in range(2):
        assert run("collect_demos", *flags, f"--out={npz}") == 0
        written.append(npz.read_bytes())
        npz.unlink()
    assert written[0] == written[1]
    assert run("export_policy", *flags, f"--out={model}") == 0
    metadata = json.loads((model / "metadata.json").read_text())
    assert metadata["env_id"] == "Pendulum-v1" and "deterministic" in metadata["scores"]


@pytest.mark.slow
def test_expert_goes_on_from_another_run(tmp_path, capsys):
    """With another reward and other settings, and from where the other one stopped."""
    first, second = tmp_path / "first", tmp_path / "second"
    flags = ["--task=Pendulum-v1", "--smoke"]
    assert run("train_expert", *flags, "--keep_checkpoint", f"--out={first}") == 0
    start = [f"--start_from={first}", "--set=gamma=0.9", '--env_kwargs={"g": 5}']
    assert run("train_expert", *flags, *start, f"--out={second}") == 2
    assert f"found 600, expected more than the 600 of {first}" in capsys.readouterr().err
    assert run("train_expert", *flags, *start, "--env_steps=1000", f"--out={second}") == 0
    assert [row["env_steps"] for row in rows_of(second / "progress.csv")] == ["800", "1000"]
    held = {run: json.loads((run / "config.json").read_text()) for run in (first, second)}
    assert held[second]["started_from"] == held[first] and held[first]["env_steps"] == 600
    before, after = (
        rows_of(each / "progress.csv")[-1]["policy_weights"] for each in (first, second)
    )
    assert before != after and abs(float(before) - float(after)) < 0.1


@pytest.mark.slow
def test_demonstrations_are_inspected_and_drawn(tmp_path, cartpole_demos, capsys):
    picture = tmp_path / "folder/demos.png"
    assert run("inspect_demos", cartpole_demos) == 0
    alone = capsys.readouterr().out
    assert "episodes 3: 3 cut off" in alone and "discriminator" not in alone
    assert run("inspect_demos", cartpole_demos, "--task=cartpole") == 0
    # what training takes of it, whose 20 pairs are few
    assert "MGAIL on CartPole-v1 with 1 trajectory, one pair in 10" in capsys.readouterr().out
    flags = ["--task=cartpole", f"--out={picture}", "--num_trajectories=3", "--subsample=10"]
    assert run("inspect_demos", cartpole_demos, *flags) == 0
    printed = capsys.readouterr().out
    assert "60 are enough for 6 components" in printed and "one in 10" in printed
    assert picture.read_bytes().startswith(PNG)
    assert [path.name for path in picture.parent.iterdir()] == ["demos.png"]


@pytest.mark.slow
def test_saved_model_records_what_its_policy_does(tmp_path, capsys):
    policy = experts.load("cartpole", make("cartpole", 0).spec)
    policy.save(tmp_path / "policy.npz")
    policy.export(tmp_path / "model")
    lines = []
    for name in ("policy.npz", "model"):
        flags = ["--task=cartpole", f"--policy={tmp_path / name}", "--deterministic", "--smoke"]
        assert run("collect_demos", *flags, f"--out={tmp_path}/{name}_demos.npz") == 0
        lines.append(capsys.readouterr().out.split(": ")[1].split(",")[:2])
    assert lines[0] == lines[1]


@pytest.mark.slow
def test_policy_is_exported_scored_and_filmed_in_every_form(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mine = Path("some run")
    mine.mkdir()
    shutil.copy(experts.weights_path("cartpole"), mine / "policy.npz")
    for flags, made in (
        ([], "runs/exported/cartpole_policy"),
        (["--format=onnx"], "runs/exported/cartpole_policy.onnx"),
        ([f"--policy={mine}"], mine / "cartpole_policy"),
        ([f"--policy={mine / 'policy.npz'}", "--format=onnx"], mine / "cartpole_policy.onnx"),
    ):
        assert run("export_policy", "--task=cartpole", "--smoke", *flags) == 0
        assert capsys.readouterr().out.startswith(f"{made}: deterministic ")
        assert run("export_policy", "--task=cartpole", "--smoke", *flags) == 2  # it is there
        assert str(made) in capsys.readouterr().err
    files = [mine, mine / "policy.npz", mine / "cartpole_policy", mine / "cartpole_policy.onnx"]
    lines = []
    for path in files:
        assert run("evaluate", "--task=cartpole", "--smoke", f"--policy={path}") == 0
        lines.append(capsys.readouterr().out.splitlines())
    assert len({deterministic for deterministic, _ in lines}) == 1
    assert lines[0] == lines[1] and "deterministic only" in lines[3][1]
    onnx = f"--policy={files[3]}"
    assert run("collect_demos", "--task=cartpole", "--smoke", onnx, "--deterministic") == 0
    paths = ",".join(map(str, files))
    assert run("record_video", "--task=cartpole", "--smoke", f"--policies={paths}") == 0
    said = "runs/cartpole.gif: some run, some run, cartpole_policy, cartpole_policy, 0.4 s"
    assert capsys.readouterr().out.splitlines()[-1] == said
    with Image.open("runs/cartpole.gif") as film:
        assert (film.width, film.height) == (4 * 480, 320 + 28)


@pytest.mark.slow
def test_quickstart_prints_all_three_and_leaves_a_policy(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags = ["--task=hopper", "--smoke"]
    assert run("quickstart", *flags) == 0
    printed = capsys.readouterr().out
    for policy in ("expert, as shown", "cloned, mean action", "imitated (mgail), sampled"):
        assert f"\n{policy} " in printed
    folder = tmp_path / "runs/imitate-hopper-seed0/mgail"
    final = json.loads((folder / "final.json").read_text())
    assert [row["num_trajectories"] for row in final["rows"]] == [4, 4]
    assert (folder / "curve.png").read_bytes().startswith(PNG)
    assert (folder / "saved_model/saved_model.pb").exists()
    assert run("quickstart", *flags, "--resume") == 0  # nothing is run again
    assert capsys.readouterr().out == printed
    out = f"--out={folder.parent}"
    for other in (["--smoke", "--seed=1"], []):  # never another seed's rows, or other settings'
        assert run("quickstart", "--task=hopper", "--resume", out, *other) == 2
        assert "config.json" in capsys.readouterr().err
    (cached,) = Path("runs/demos").glob("*.npz")
    expert = experts.load("hopper", make("hopper", 0).spec)
    cached.unlink()
    experts.record("hopper", expert, 4, seed=1).save(cached)
    assert run("quickstart", *flags, "--resume") == 2  # other demonstrations
    assert "config.json" in capsys.readouterr().err


OWN_MODULE = """
import gymnasium
from tests.toys import Linear

class Windy(Linear):
    def __init__(self, wind):
        self.wind = wind

gymnasium.register("Windy-v0", Windy, max_episode_steps=20, kwargs={"wind": 0})
"""


@pytest.mark.slow
def test_own_environment_and_demonstrations_go_all_the_way(tmp_path, capsys, monkeypatch):
    """From one command to a verdict, tables and pictures, with a module and keyword arguments."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("windy_module.py").write_text(OWN_MODULE)
    toys.rolled_out(toys.linear(), toys.LinearExpert(), 6).save("mine.npz")
    with np.load("mine.npz") as data:
        np.savez("mine.npz", **{**data, "env_id": "Windy-v0"})
    own = ["--task=Windy-v0", "--import=windy_module", '--env_kwargs={"wind": 2}']
    flags = [*own, "--demos=mine.npz", "--smoke", "--out=out", "--held_out_trajectories=2"]
    assert run("quickstart", *flags) == 0
    printed = capsys.readouterr().out
    assert "cloned, mean action" in printed and "held-out demonstrations" in printed
    config = json.loads(Path("out/mgail/config.json").read_text())
    assert (config["task"], config["env_kwargs"]) == ("Windy-v0", '{"wind": 2}')
    assert config["num_trajectories"] == 4
    assert run("quickstart", *flags, "--resume") == 0
    assert capsys.readouterr().out == printed
    assert run("quickstart", *flags, '--env_kwargs={"wind": 3}', "--resume") == 2
    assert "env_kwargs" in capsys.readouterr().err

    assert run("collect", "out", "--out=tables") == 0
    (expert,) = rows_of(Path("tables/experts.csv"))
    assert (expert["task"], expert["algorithm"]) == ("Windy-v0", "demonstrations")
    assert run("make_figures", "--folder=tables") == 0
    assert Path("tables/curves.png").read_bytes().startswith(PNG)
    assert run("diagnose", "out/mgail") == 0

    scored = [*own, "--policy=out/mgail", "--demos=mine.npz", "--smoke", "--episodes=2"]
    assert run("evaluate", *scored) == 0
    printed = capsys.readouterr().out
    assert all(f"\n{name} " in printed for name in ("this policy", "cloned", "random actions"))
    audited = [*own, "--demos=mine.npz", "--smoke", "--algorithm=gail", "--out=audit"]
    assert run("audit_bias", *audited) == 0
    assert "constant" in capsys.readouterr().out
    swept = [own[0].replace("task", "tasks"), *own[1:], "--demos=mine.npz", "--smoke"]
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")  # of the runs' processes
    for done in ("2 runs, 0 of them finished", "2 runs, 2 of them finished"):
        assert run("sweep", *swept, "--algorithms=bc", "--seeds=0,1", "--out=sweep") == 0
        assert done in capsys.readouterr().out
    assert len(rows_of(Path("sweep/runs.csv"))) == 4


@pytest.mark.slow
@pytest.mark.parametrize("label", ["../../x", "a:b/c,d", "..", "a new\nline"])
def test_label_with_odd_characters_stays_in_its_folder(
    tmp_path, cartpole_demos, monkeypatch, label
):
    (tmp_path / "a/b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a/b")
    flags = ["--task=cartpole", f"--demos={cartpole_demos}", "--smoke", f"--label={label}"]
    assert run("train_bc", *flags) == 0
    (made,) = Path("runs").iterdir()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files and all(path.is_relative_to(made.resolve()) for path in files)
    assert run("collect", made, "--out=tables") == 0
    assert {row["variant"] for row in rows_of(Path("tables/runs.csv"))} == {label}


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["default", *PRESETS["mgail"]])
def test_every_preset_runs_and_names_itself(tmp_path, cartpole_demos, eager, preset):
    out = tmp_path / "run"
    flags = ["--task=cartpole", f"--demos={cartpole_demos}", "--smoke", f"--out={out}"]
    assert run("train_mgail", *flags, f"--preset={preset}", "--env_steps=70") == 0
    described = json.loads((out / "config.json").read_text())
    assert (described["variant"], described["env_steps"]) == (preset, 70)


# -- what goes wrong in the middle -------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "setting", "metric"),
    [
        ("train_expert", "value_learning_rate", "value: value_weights"),
        ("train_bc", "learning_rate", "policy: held_out_loss"),
        ("train_gail", "discriminator_learning_rate", "discriminator: discriminator_"),
        ("train_mgail", "model_learning_rate", "model: model_weights"),
        ("train_mgail", "discriminator_learning_rate", "discriminator: discriminator_weights"),
        ("train_mgail", "policy_learning_rate", "policy: policy_weights"),
        ("train_mgail", None, "value: value_weights"),
    ],
)
def test_numbers_that_are_not_finite_stop_the_run(
    tmp_path, cartpole_demos, capsys, monkeypatch, eager, script, setting, metric
):
    out = tmp_path / "run"
    # 1e39 is beyond float32; what is saved before it is the last good checkpoint
    flags = ["--smoke", "--checkpoint_every=0", f"--out={out}"]
    flags += [] if script == "train_expert" else [f"--demos={cartpole_demos}"]
    if setting:
        flags.append(f"--set={setting}=1e39")
    else:  # the value's rate is no setting
        monkeypatch.setattr(learner, "VALUE_LEARNING_RATE", 1e39)
    assert run(script, "--task=cartpole", *flags) == 1
    (said,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error")]
    assert said.startswith(f"error: {metric}") and f" of {out}; " in said
    assert " is nan in iteration 1 of" in said or " is inf in iteration 1 of" in said
    checkpoints = sorted((out / "checkpoints").glob("checkpoint-*"))
    assert said.endswith(str(checkpoints[-1]) if checkpoints else "nothing was saved before")
    assert not (out / "final.json").exists()


# -- in a process of their own -----------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("script", ["collect_demos", "train_mgail"])  # without TensorFlow, with
def test_script_runs_by_its_path(script, tmp_path):
    command = [sys.executable, str(ROOT / f"launch/{script}.py"), "--task=NoSuch-v0"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith("error: NoSuch-v0")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the kernel is one of x86-64's")
def test_scripts_round_products_as_on_any_other_processor():
    code = (
        "import ctypes; import _flags; import numpy; "
        "path = next(x.split()[-1] for x in open('/proc/self/maps') if 'openblas' in x); "
        "name = ctypes.CDLL(path).scipy_openblas_get_corename64_; "
        "name.restype = ctypes.c_char_p; print(name().decode())"
    )
    free = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS")}
    free["PYTHONPATH"] = f"{ROOT}:{ROOT / 'launch'}"
    for asked, found in ({}, "Haswell"), ({"OPENBLAS_CORETYPE": "Nehalem"}, "Nehalem"):
        done = subprocess.run(
            [sys.executable, "-c", code], env=free | asked, capture_output=True, text=True
        )
        assert done.stdout.strip() == found, done.stderr


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_ends_a_script_without_a_message(cartpole_demos):
    """As in `launch/inspect_demos.py demos.npz | head -1`; here the reader is gone at once."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, str(ROOT / "launch/inspect_demos.py"), str(cartpole_demos)]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")
