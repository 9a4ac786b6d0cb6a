"""Every script, as a user runs it: --smoke does the job, bad input ends in one line and code 2."""

import csv
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from launch import (
    audit_bias,
    collect_demos,
    compare_gradients,
    diagnose,
    evaluate,
    export_policy,
    make_figures,
    make_tables,
    quickstart,
    sweep,
    train_bc,
    train_expert,
    train_gail,
    train_mgail,
)
from mgail_tf import audit, demos, envs, evaluation, experts, tables, tasks

SCRIPTS = [
    audit_bias,
    collect_demos,
    compare_gradients,
    diagnose,
    evaluate,
    export_policy,
    make_figures,
    make_tables,
    quickstart,
    sweep,
    train_bc,
    train_expert,
    train_gail,
    train_mgail,
]


def run(script, *flags):
    return script.main([script.__name__, *map(str, flags)])


@pytest.fixture(scope="module")
def cartpole_demos(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("demos") / "cartpole.npz"
    spec = envs.make("cartpole", 0).spec
    experts.collect(experts.load("cartpole", spec), "cartpole", 3, 0, True, path)
    return path


def rows_of(path: Path) -> list[dict]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_quickstart_prints_all_three_and_leaves_a_policy(tmp_path, capsys, monkeypatch):
    task = "hopper"
    monkeypatch.chdir(tmp_path)
    assert run(quickstart, f"--task={task}", "--smoke") == 0
    printed = capsys.readouterr().out
    for algorithm in ("expert", "bc", "mgail"):
        assert f"\n{algorithm} " in printed
    folder = tmp_path / f"runs/imitate-{task}-seed0/mgail"
    found = rows_of(folder / "results.csv")
    assert [row["mode"] for row in found] == ["deterministic", "stochastic"]
    assert found[0]["num_trajectories"] == "4"
    assert (folder / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "saved_model/saved_model.pb").exists()
    assert json.loads((folder / "final.json").read_text())["rows"][0]["seed"] == 0
    assert run(quickstart, f"--task={task}", "--smoke", "--resume") == 0  # nothing is run again
    assert capsys.readouterr().out == printed
    other = ["--seed=1", "--resume", f"--out=runs/imitate-{task}-seed0"]
    assert run(quickstart, f"--task={task}", "--smoke", *other) == 2  # never another seed's rows
    assert "another run's" in capsys.readouterr().err
    assert run(quickstart, f"--task={task}", "--resume") == 2  # with other settings
    assert "another run's" in capsys.readouterr().err
    spec, cached = envs.make(task, 0).spec, next(Path("runs/demos").glob("*.npz"))
    experts.collect(experts.load(task, spec), task, 4, 1, True, cached)
    assert run(quickstart, f"--task={task}", "--smoke", "--resume") == 2  # other demonstrations
    assert "another run's" in capsys.readouterr().err


def _scalars(out: Path) -> dict[tuple[int, str], float]:
    """Return what the run's TensorBoard file holds, by step and name."""
    import tensorflow as tf

    (file,) = (out / "tensorboard").iterdir()
    return {
        (event.step, value.tag): float(tf.make_ndarray(value.tensor))
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
    }


def _check_diagnostics(out: Path) -> None:
    """The picture is drawn, and TensorBoard's file holds what progress.csv does."""
    assert run(diagnose, out) == 0
    assert (out / "diagnosis.png").read_bytes().startswith(b"\x89PNG")
    found = _scalars(out)
    held_out = ("open_loop_1", "logit_agent", "logit_expert", "logit_imagined")
    evaluated = 0
    for row in rows_of(out / "progress.csv"):
        names = ["model_error"]
        if row["evaluation"] != "nan":
            names += held_out
            evaluated += 1
        for name in names:
            assert found[int(row["env_steps"]), name] == pytest.approx(float(row[name]))
    assert evaluated > 0


def test_sweep_makes_each_run_once_and_says_which_failed(tmp_path, capsys, cartpole_demos):
    (tmp_path / "cartpole.npz").write_bytes(Path(cartpole_demos).read_bytes())
    table, wanted = tmp_path / "runs.csv", ["--algorithm=bc", "--tasks=cartpole", "--smoke"]
    wanted.append(f"--demos={tmp_path}/{{task}}.npz")
    shared = [*wanted, f"--out={tmp_path / 'sweep'}", f"--results={table}"]
    assert run(sweep, *shared, "--seeds=0") == 0
    assert "done: bc cartpole default seed 0" in capsys.readouterr().out
    blocked = tmp_path / "sweep/bc-cartpole-default-seed1"
    blocked.write_text("a file where the run's folder should be")
    assert run(sweep, *shared, "--seeds=0,1,0") == 2
    printed = capsys.readouterr()
    assert "2 runs, 1 of them in" in printed.out and "seed 0" not in printed.out
    assert "failed with code 2: bc cartpole default seed 1: error: " in printed.out
    assert "1 of 1 runs failed" in printed.err
    assert [(row["seed"], row["mode"]) for row in rows_of(table)] == [
        ("0", "deterministic"),
        ("0", "stochastic"),
    ]
    given = demos.load(cartpole_demos, envs.make("cartpole", 0).spec)
    assert rows_of(table)[0]["demos_sha256"] == given.sha256


def test_training_scripts_write_one_results_file_together(tmp_path, cartpole_demos, capsys):
    table = tmp_path / "runs.csv"
    shared = ["--task=cartpole", f"--demos={cartpole_demos}", f"--results={table}", "--smoke"]
    assert run(train_bc, *shared, f"--out={tmp_path / 'bc'}") == 0
    model = [
        "--set",
        "model=hadamard_gru",
        "--set",
        "rollout=replay",
        "--set",
        "horizon_value=False",
        "--set",
        "state_components=3",
    ]
    assert run(train_mgail, *shared, f"--out={tmp_path / 'mgail'}", *model) == 0
    assert run(train_gail, *shared, f"--out={tmp_path / 'gail'}") == 0
    curves = rows_of(tmp_path / "curves.csv")
    assert {row["algorithm"] for row in curves} == {"mgail", "gail"}
    other = f"--results={tmp_path / 'other.csv'}"  # its curves must not be taken for runs.csv's
    assert run(train_gail, *shared, other, f"--out={tmp_path / 'other'}") == 0
    assert rows_of(tmp_path / "curves.csv") == curves
    assert {row["algorithm"] for row in rows_of(tmp_path / "other_curves.csv")} == {"gail"}
    found = [row["algorithm"] for row in rows_of(table)]
    assert found == ["bc", "bc", "mgail", "mgail", "gail", "gail"]
    config = json.loads((tmp_path / "mgail/config.json").read_text())["config"]
    assert (config["model"], config["rollout"], config["horizon"]) == ("hadamard_gru", "replay", 3)
    _check_diagnostics(tmp_path / "mgail")
    for epoch in rows_of(tmp_path / "bc/progress.csv"):
        cloned = _scalars(tmp_path / "bc")[int(epoch["epoch"]), "held_out_loss"]
        assert cloned == pytest.approx(float(epoch["held_out_loss"]))
    policy = tmp_path / "mgail/policy.npz"
    assert run(evaluate, "--task=cartpole", f"--policy={policy}", "--smoke") == 0
    by_weights = capsys.readouterr().out.splitlines()[-2]
    saved = tmp_path / "mgail/saved_model"
    assert run(evaluate, "--task=cartpole", f"--saved_model={saved}", "--smoke") == 0
    assert capsys.readouterr().out.splitlines()[-2] == by_weights


def test_expert_is_trained_collected_and_exported(tmp_path, capsys):
    out, npz, model = tmp_path / "expert", tmp_path / "demos.npz", tmp_path / "model"
    assert run(train_expert, "--task=Pendulum-v1", "--smoke", f"--out={out}") == 0
    updates = rows_of(out / "progress.csv")
    assert len(updates) == 2
    for row in updates:
        kl = _scalars(out)[int(row["env_steps"]), "kl"]
        assert kl == pytest.approx(float(row["kl"]))
    policy = f"--policy={out / 'policy.npz'}"
    assert run(collect_demos, "--task=Pendulum-v1", policy, "--smoke", f"--out={npz}") == 0
    first = npz.read_bytes()
    npz.unlink()
    assert run(collect_demos, "--task=Pendulum-v1", policy, "--smoke", f"--out={npz}") == 0
    assert npz.read_bytes() == first
    flags = ["--task=Pendulum-v1", policy, "--smoke", f"--out={model}"]
    assert run(export_policy, *flags) == 0
    metadata = json.loads((model / "metadata.json").read_text())
    assert metadata["env_id"] == "Pendulum-v1" and "deterministic" in metadata["scores"]
    before = (model / "metadata.json").read_bytes()
    assert run(export_policy, *flags) == 2  # not overwritten
    assert "not empty" in capsys.readouterr().err
    assert (model / "metadata.json").read_bytes() == before


def test_directory_of_another_run_is_refused_and_kept(tmp_path, cartpole_demos, capsys):
    (tmp_path / "config.json").write_text("precious")
    flags = ["--task=cartpole", f"--demos={cartpole_demos}", f"--out={tmp_path}", "--smoke"]
    assert run(train_bc, *flags) == 2
    assert "not empty" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["config.json"]
    assert (tmp_path / "config.json").read_text() == "precious"


@pytest.mark.parametrize(
    ("script", "setting", "name"),
    [
        (train_expert, "value_learning_rate", "value: value_weights"),
        (train_bc, "learning_rate", "policy: held_out_loss"),
        (train_gail, "discriminator_learning_rate", "discriminator: discriminator_"),
        (train_mgail, "model_learning_rate", "model: model_weights"),
        (train_mgail, "discriminator_learning_rate", "discriminator: discriminator_weights"),
        (train_mgail, "policy_learning_rate", "policy: policy_weights"),
        (train_mgail, "value_learning_rate", "value: value_weights"),
    ],
)
def test_numbers_that_are_not_finite_stop_the_run(
    tmp_path, cartpole_demos, capsys, script, setting, name
):
    out = tmp_path / "run"
    # beyond float32; what is saved before it is the last good checkpoint
    flags = [f"--set={setting}=1e39", "--smoke", "--checkpoint_every=0", f"--out={out}"]
    flags += ["--set=jit_compile=False"] if script is train_mgail else []
    flags += [] if script is train_expert else [f"--demos={cartpole_demos}"]
    assert run(script, "--task=cartpole", *flags) == 1
    (said,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error")]
    assert said.startswith(f"error: {name}") and f" of {out}; " in said
    assert " is nan in iteration 1 of" in said or " is inf in iteration 1 of" in said
    last = sorted((out / "checkpoints").glob("checkpoint-*"))
    expected = f"the last good checkpoint is {last[-1]}" if last else "nothing was saved before"
    assert said.endswith(expected)
    assert not (out / "final.json").exists()


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_flag_has_help(script, capsys):
    assert run(script, "--help") == 0
    printed = capsys.readouterr().out
    assert script.__doc__.splitlines()[0] in printed
    for name in script.FLAGS:
        assert f"--{name}" in printed or f"--[no]{name}" in printed
        assert len(script.FLAGS[name].help) > 10


@pytest.mark.parametrize("script", [collect_demos, train_mgail])  # without TensorFlow, with
def test_script_runs_by_its_path(script):
    script = Path(script.__file__)
    command = [sys.executable, str(script), "--task=NoSuch-v0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith("error: NoSuch-v0")
    assert len(done.stderr.splitlines()) == 1


def test_committed_experts_fit_their_rows():
    tabled = [task for task in tasks.TASKS if experts.rows(task)]
    assert tabled == list(tasks.TASKS)
    for task in tabled:
        rows = experts.rows(task)
        assert {row["mode"] for row in rows} == {"deterministic", "stochastic"}
        from mgail_tf.actor import sha256

        assert {row["weights_sha256"] for row in rows} == {sha256(experts.weights_path(task))}


@pytest.mark.parametrize("rewarded", [True, False])
def test_own_demonstrations_are_the_score_s_unit(tmp_path, rewarded):
    spec, path = envs.make("cartpole", 0).spec, tmp_path / "falls.npz"
    experts.collect(audit.constant_policy(spec), "cartpole", 5, 0, False, path)  # 10 steps
    shown = demos.load(path, spec).return_mean
    if not rewarded:
        with np.load(path) as data:
            np.savez(path, **{k: data[k] for k in data.files if k != "rewards"})
    out = tmp_path / "bc"
    assert run(train_bc, "--task=cartpole", f"--demos={path}", f"--out={out}", "--smoke") == 0
    final = json.loads((out / "final.json").read_text())
    expert, chance = (shown if rewarded else 200.0), final["random_return"]
    assert final["expert_return"] == expert and shown < 15
    for row in final["rows"]:
        score = (row["return_mean"] - chance) / (expert - chance)
        assert row["normalised"] == pytest.approx(score, abs=1e-3)


def test_score_is_unknown_where_the_expert_is_no_better_than_chance():
    assert np.isnan(evaluation.normalised(-200.0, -200.0, -200.0))
    assert evaluation.normalised(-110.0, -200.0, -100.0) == 0.9


def test_schema_is_what_collect_writes(cartpole_demos):
    with np.load(cartpole_demos, allow_pickle=False) as data:
        assert set(data.files) == {*demos._REQUIRED, "rewards"}
        assert data["states"].dtype == np.float32
        assert len(data["states"]) == len(data["actions"]) + len(data["lengths"])


def test_rows_have_the_columns_that_are_checked_beforehand():
    for name, columns in (
        ("experts", tables.EXPERT_COLUMNS),
        ("runs", tables.RUN_COLUMNS),
        ("curves", tables.CURVE_COLUMNS),
    ):
        header = (tables.RESULTS / f"{name}.csv").read_text().splitlines()[0]
        assert header == ",".join(columns)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the kernel is one of x86-64's")
def test_scripts_round_products_as_on_any_other_processor():
    code = (
        "import ctypes; from launch import cli; import numpy; "
        "path = next(x.split()[-1] for x in open('/proc/self/maps') if 'openblas' in x); "
        "name = ctypes.CDLL(path).scipy_openblas_get_corename64_; "
        "name.restype = ctypes.c_char_p; print(name().decode())"
    )
    free = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS")}
    for asked, found in ({}, "Haswell"), ({"OPENBLAS_CORETYPE": "Nehalem"}, "Nehalem"):
        done = subprocess.run(
            [sys.executable, "-c", code], env=free | asked, capture_output=True, text=True
        )
        assert done.stdout.strip() == found, done.stderr
