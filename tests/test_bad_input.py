"""Everything wrong that a user can give: exit code 2, one line that says what, nothing written."""

import io
import json
import resource
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from launch import (
    audit_bias,
    benchmark,
    collect_demos,
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
from mgail_tf import checkpoint, demos, envs, experts, results, tables
from mgail_tf.types import BadInput

CARTPOLE = "--task=cartpole"


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> Path:
    """Return a folder with what is right: demonstrations, and policies of two environments."""
    folder = tmp_path_factory.mktemp("given")
    spec = envs.make("cartpole", 0).spec
    experts.collect(experts.load("cartpole", spec), "cartpole", 3, 0, True, folder / "demos.npz")
    from mgail_tf import export

    for task in ("cartpole", "acrobot"):
        spec = envs.make(task, 0).spec
        policy = experts.load(task, spec)
        policy.save(folder / f"{task}.npz", spec)
        export.save(folder / f"{task}_model", policy, spec, {})
    (folder / "results").mkdir()
    for name in ("runs.csv", "paper_table1.csv"):
        shutil.copy(tables.RESULTS / name, folder / "results")
    return folder


def refused(script: Any, flags: list[str], capsys) -> str:
    """Run a script; assert exit code 2 and one line on standard error; return the line."""
    code = script.main([script.__name__, *flags])
    said = capsys.readouterr().err
    # a progress bar that had begun ends in a line of its own
    lines = [x for x in said.replace("\r", "\n").splitlines() if "error" in x or "rror:" in x]
    assert code == 2, said
    assert len(lines) == 1 and lines[0].startswith("error: "), said
    assert "Traceback" not in said
    return lines[0]


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    files = [p for p in folder.rglob("*") if p.is_file() and p.name != ".lock"]
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


# -- demonstration files ---------------------------------------------------------------------


def _arrays(**changes: Any) -> Callable[[dict[str, np.ndarray]], dict[str, Any]]:
    """Return a function that replaces arrays: by a value, or a function of the array."""

    def change(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
        new = {k: (v(arrays[k]) if callable(v) else v) for k, v in changes.items()}
        return {k: v for k, v in {**arrays, **new}.items() if v is not None}

    return change


def _with(value: float, dtype=np.float32) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        array = array.astype(dtype)
        array.flat[3] = value
        return array

    return change


def _member(array: np.ndarray | None = None, shape: tuple | None = None) -> bytes:
    """Return an npy file, with a header that may claim another shape."""
    file = io.BytesIO()
    array = np.zeros(4, np.float32) if array is None else array
    np.lib.format.write_array_header_1_0(
        file,
        {"descr": "<f4", "fortran_order": False, "shape": array.shape if shape is None else shape},
    )
    file.write(array.tobytes())
    return file.getvalue()


def _bomb(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write states that are a thousand times larger than the file (the test's limit is lower)."""
    np.savez(path, **{k: v for k, v in arrays.items() if k != "states"})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("states.npy", _member(np.zeros((1 << 23, 4), np.float32)))


def _claims(shape: tuple) -> Callable[[Path, dict[str, np.ndarray]], None]:
    def write(path: Path, arrays: dict[str, np.ndarray]) -> None:
        np.savez(path, **{k: v for k, v in arrays.items() if k != "states"})
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("states.npy", _member(shape=shape))

    return write


def _bytes(change: Callable[[bytes], bytes]) -> Callable[[Path, dict[str, np.ndarray]], None]:
    def write(path: Path, arrays: dict[str, np.ndarray]) -> None:
        np.savez_compressed(path, **arrays)
        path.write_bytes(change(path.read_bytes()))

    return write


class _Evil:
    """What a pickle would run."""

    def __reduce__(self):
        return (Path("unpickled").touch, ())


FILES: dict[str, tuple[Any, str]] = {  # what is wrong -> (how, what the line says)
    "empty": (_bytes(lambda b: b""), "not an npz"),
    "truncated": (_bytes(lambda b: b[:200]), "not an npz"),
    "cut in the middle": (_bytes(lambda b: b[: len(b) // 2]), "not an npz"),
    "a text": (_bytes(lambda b: b"states,actions\n1,2\n"), "not an npz"),
    "one array": (_bytes(lambda b: _member()), "not an npz"),
    "a byte flipped": (_bytes(lambda b: b[:700] + bytes([b[700] ^ 255]) + b[701:]), "not an npz"),
    "a zip of something else": (
        lambda path, arrays: zipfile.ZipFile(path, "w").close(),
        "missing states",
    ),
    "a zip bomb": (_bomb, "it holds 134"),
    "a header that claims a petabyte": (_claims((1 << 48, 4)), "not an npz"),
    "a header that claims 8 gigabytes": (_claims((1 << 29, 4)), "not an npz"),
    "pickled states": (_arrays(states=np.array([_Evil()] * 4, object)), "not an npz"),
    "no states": (_arrays(states=None), "missing states"),
    "no lengths": (_arrays(lengths=None), "missing lengths"),
    "no env_id": (_arrays(env_id=None), "missing env_id"),
    "another env_id": (_arrays(env_id="Acrobot-v1"), "env_id: found Acrobot-v1"),
    "env_id is a number": (_arrays(env_id=np.array(3.0)), "env_id: found 3.0"),
    "states of text": (_arrays(states=lambda a: a.astype(str)), "states: found <U"),
    "complex states": (_arrays(states=lambda a: a.astype(complex)), "states: found complex"),
    "states too wide": (_arrays(states=lambda a: np.c_[a, a]), "states: size: found"),
    "states of one axis": (_arrays(states=lambda a: a.ravel()), "states: size: found"),
    "a state too few": (_arrays(states=lambda a: a[:-1]), "states: size: found"),
    "NaN in states": (_arrays(states=_with(np.nan)), "states: values that are NaN"),
    "infinite states": (_arrays(states=_with(np.inf)), "states: values that are NaN"),
    "states beyond float32": (_arrays(states=_with(1e300, np.float64)), "states: values"),
    "fractions for discrete actions": (_arrays(actions=lambda a: a * 0.5), "actions: found float"),
    "one-hot actions": (_arrays(actions=lambda a: np.eye(2)[a]), "actions"),
    "an action too large": (_arrays(actions=_with(2, np.int64)), "actions: found 2, expected 0"),
    "a negative action": (_arrays(actions=_with(-1, np.int64)), "actions: found -1"),
    "actions too few": (_arrays(actions=lambda a: a[:-1]), "actions: length"),
    "rewards too few": (_arrays(rewards=lambda a: a[:-1]), "rewards: size"),
    "rewards of text": (_arrays(rewards=lambda a: a.astype(str)), "rewards: found <U"),
    "lengths of fractions": (_arrays(lengths=lambda a: a * 1.0), "lengths: found float64"),
    "lengths that do not add up": (_arrays(lengths=lambda a: a + 1), "size: found"),
    "a length of 0": (_arrays(lengths=lambda a: a * [1, 0, 1]), "lengths: found an episode of"),
    "a negative length": (_arrays(lengths=lambda a: a * [1, -1, 1]), "lengths: found an episode"),
    "lengths that overflow": (_arrays(lengths=lambda a: a + (1 << 62)), "size: found"),
    "no episode": (_arrays(lengths=np.zeros(0, np.int64)), "lengths: found no episode"),
    "terminated of numbers": (_arrays(terminated=lambda a: a * 1), "terminated: found int64"),
    "terminated too long": (_arrays(terminated=lambda a: np.r_[a, a]), "terminated: size"),
}


@pytest.mark.parametrize("wrong", FILES)
def test_demonstration_file(tmp_path, given, capsys, monkeypatch, wrong):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demos, "_LARGEST", 1 << 24)
    make, expected = FILES[wrong]
    path = tmp_path / "bad.npz"
    with np.load(given / "demos.npz") as data:
        arrays = dict(data)
    if make.__code__.co_argcount == 1:
        np.savez(path, **make(arrays))
    else:
        make(path, arrays)
    before = contents(tmp_path)
    script = (train_mgail, train_bc, train_gail)[list(FILES).index(wrong) % 3]
    line = refused(script, [CARTPOLE, f"--demos={path}", "--out=out", "--smoke"], capsys)
    assert f"{path}: " in line and expected in line
    assert contents(tmp_path) == before


# -- everything else -------------------------------------------------------------------------

DEMOS = "--demos={given}/demos.npz"
CASES: dict[str, tuple[Any, list[str], str]] = {  # name -> (script, flags, what the line says)
    "no such demonstrations": (train_bc, [CARTPOLE, "--demos=no.npz"], "no.npz: no such"),
    "demonstrations are a folder": (train_bc, [CARTPOLE, "--demos={given}"], "{given}: not an npz"),
    "demonstrations of another task": (train_gail, ["--task=acrobot", DEMOS], "env_id: found"),
    "results are a device": (train_bc, [CARTPOLE, DEMOS, "--results=/dev/null"], "a device"),
    "no results below": (audit_bias, [CARTPOLE, "--results=precious"], "precious: columns"),
    "no such environment": (train_mgail, ["--task=NoSuch-v7", DEMOS], "NoSuch-v7: cannot be made"),
    "a broken environment id": (train_mgail, ["--task=a b/c", DEMOS], "a b/c: cannot be made"),
    "an environment of a module that is not there": (
        train_expert,
        ["--task=nomodule:X-v0"],
        "nomodule:X-v0: cannot be made",
    ),
    "dict states": (train_expert, ["--task=ToyDict-v0"], "observation space is Dict"),
    "image states": (train_expert, ["--task=ToyImage-v0"], "observation space is Box"),
    "NaN from the environment": (train_expert, ["--task=ToyBlind-v0", "--smoke"], "not finite"),
    "an environment that raises": (
        train_expert,
        ["--task=ToyRaises-v0", "--smoke"],
        "ToyRaises-v0: step: ZeroDivisionError",
    ),
    "an environment that raises at its reset": (
        train_expert,
        ["--task=ToyNoReset-v0", "--smoke"],
        "ToyNoReset-v0: reset: RuntimeError: no licence",
    ),
    "an environment that raises when it is made": (
        train_expert,
        ["--task=ToyUnmade-v0", "--smoke"],
        "ToyUnmade-v0: cannot be made",
    ),
    "states that change shape": (
        train_expert,
        ["--task=ToyGrows-v0", "--smoke"],
        "ToyGrows-v0: state: found shape (3,), expected (2,)",
    ),
    "a reward that is not finite": (
        train_expert,
        ["--task=ToyRich-v0", "--smoke"],
        "ToyRich-v0: reward: found inf",
    ),
    "unknown key": (train_mgail, [CARTPOLE, DEMOS, "--set=horizont=3"], "unknown key 'horizont'"),
    "a value of another type": (train_mgail, [CARTPOLE, DEMOS, "--set=horizon=many"], "'many'"),
    "no equals": (train_mgail, [CARTPOLE, DEMOS, "--set=horizon"], "expected key=value"),
    "an impossible value": (train_mgail, [CARTPOLE, DEMOS, "--set=gamma=1.5"], "less than 1"),
    "NaN for a value": (train_mgail, [CARTPOLE, DEMOS, "--set=gamma=nan"], "gamma"),
    "an infinite value": (train_mgail, [CARTPOLE, DEMOS, "--set=policy_batch=1e999"], "int"),
    "code for a value": (train_mgail, [CARTPOLE, DEMOS, "--set=horizon=__import__('os')"], "int"),
    "an unknown choice": (train_mgail, [CARTPOLE, DEMOS, "--set=model=lstm"], "one of"),
    "a setting of another algorithm": (train_bc, [CARTPOLE, DEMOS, "--set=horizon=3"], "unknown"),
    "more components than a state has": (
        train_mgail,
        [CARTPOLE, DEMOS, "--set=state_components=5"],
        "expected at most 4 of CartPole-v1",
    ),
    "no batch": (train_gail, [CARTPOLE, DEMOS, "--set=batch_steps=()"], "positive whole"),
    "returns that add up to more": (train_mgail, [CARTPOLE, DEMOS, "--set=lam=2"], "from 0 to 1"),
    "steps for one batch only": (
        train_expert,
        [CARTPOLE, "--set=env_steps=2048"],
        "env_steps=2048: found 2048, expected more than 2048",
    ),
    "steps of the untrained policy only": (
        train_mgail,
        ["--task=hopper", DEMOS, "--set=env_steps=1000"],
        "env_steps=1000: found 1000, expected more than 1000, prefill_steps",
    ),
    "updates that no block comes to": (
        train_mgail,
        [CARTPOLE, DEMOS, "--set=updates_per_step=20"],
        "updates_per_step=20.0: found 20.0, expected block, 50, divided by a whole number",
    ),
    "no hidden units": (train_bc, [CARTPOLE, DEMOS, "--set=hidden=(0,)"], "positive whole"),
    "too many trajectories": (train_bc, [CARTPOLE, DEMOS, "--num_trajectories=9"], "1 to 3"),
    "no trajectory": (train_bc, [CARTPOLE, DEMOS, "--num_trajectories=0"], "num_trajectories"),
    "subsample of 0": (train_bc, [CARTPOLE, DEMOS, "--subsample=0"], "subsample"),
    "unknown flag": (train_gail, [CARTPOLE, "--sead=1"], "sead"),
    "a flag's value of another type": (train_gail, [CARTPOLE, "--seed=one"], "seed"),
    "negative seed": (train_gail, [CARTPOLE, "--seed=-1"], "seed"),
    "a seed beyond 64 bits": (train_gail, [CARTPOLE, DEMOS, f"--seed={1 << 70}"], "seed"),
    "stray argument": (train_gail, [CARTPOLE, "hopper"], "hopper: found arguments"),
    "no episodes": (train_gail, [CARTPOLE, "--episodes=0"], "episodes"),
    "no threads": (train_gail, [CARTPOLE, "--threads=0"], "threads"),
    "more workers than environments": (train_gail, [CARTPOLE, "--workers=2"], "at most 1"),
    "out is a file": (train_bc, [CARTPOLE, DEMOS, "--out=precious"], "precious: is a file"),
    "out is under a file": (train_bc, [CARTPOLE, DEMOS, "--out=precious/a"], "precious/a: "),
    "out holds something": (train_bc, [CARTPOLE, DEMOS, "--out=full"], "full: exists and is not"),
    "resume of something else": (
        train_bc,
        [CARTPOLE, DEMOS, "--out=full", "--resume"],
        "full: config.json is another run's",
    ),
    "results are a folder": (train_bc, [CARTPOLE, DEMOS, "--results=full"], "full: "),
    "results have other columns": (train_bc, [CARTPOLE, DEMOS, "--results=precious"], "columns"),
    "results under a file": (train_expert, [CARTPOLE, "--results=precious/a.csv"], "precious/a"),
    "quickstart of no task": (quickstart, ["--task=Pendulum-v1"], "expected one of cartpole"),
    "no committed expert": (collect_demos, ["--task=Pendulum-v1"], "no committed expert at"),
    "demonstrations to another suffix": (collect_demos, [CARTPOLE, "--out=a.csv"], "suffix '.csv'"),
    "demonstrations over a file": (collect_demos, [CARTPOLE, "--out={given}/demos.npz"], "exists"),
    "demonstrations under a file": (collect_demos, [CARTPOLE, "--out=precious/a.npz"], "precious"),
    "no such policy": (evaluate, [CARTPOLE, "--policy=no.npz"], "no.npz: no such policy"),
    "a policy of another task": (
        evaluate,
        [CARTPOLE, "--policy={given}/acrobot.npz"],
        "env_id: found Acrobot-v1",
    ),
    "a policy that is a folder": (evaluate, [CARTPOLE, "--policy={given}"], "not a policy file"),
    "a policy that is demonstrations": (
        evaluate,
        [CARTPOLE, "--policy={given}/demos.npz"],
        "not a policy file",
    ),
    "a SavedModel of another environment": (
        evaluate,
        [CARTPOLE, "--saved_model={given}/acrobot_model"],
        "found Acrobot-v1, expected CartPole-v1",
    ),
    "no SavedModel": (evaluate, [CARTPOLE, "--saved_model=no"], "no: not an exported policy"),
    "a SavedModel without its graph": (
        evaluate,
        [CARTPOLE, "--saved_model=hollow"],
        "hollow: not an exported policy",
    ),
    "a SavedModel's metadata is a list": (
        evaluate,
        [CARTPOLE, "--saved_model=listed"],
        "listed: not an exported policy",
    ),
    "a SavedModel whose weights are cut off": (
        evaluate,
        [CARTPOLE, "--saved_model=cut"],
        "cut: not an exported policy",
    ),
    "both kinds of policy": (evaluate, ["--policy=a", "--saved_model=b"], "found both"),
    "export over something": (export_policy, [CARTPOLE, "--out=full"], "full: exists and is not"),
    "export of no policy": (export_policy, [CARTPOLE, "--policy=no.npz"], "no.npz: no such"),
    "audit of a task without expert": (audit_bias, ["--task=Pendulum-v1"], "no committed expert"),
    "audit of another algorithm": (audit_bias, ["--algorithm=bc"], "algorithm"),
    "sweep of an unknown task": (sweep, ["--tasks=cartpole,foo"], "--tasks: found 'foo'"),
    "sweep without a task's demonstrations": (
        sweep,
        ["--tasks=acrobot", "--demos=no/{task}.npz"],
        "--demos: no/acrobot.npz: no such file",
    ),
    "sweep into another table": (sweep, ["--results=precious"], "precious: columns"),
    "sweep of no seed": (sweep, ["--seeds="], "--seeds: found none"),
    "sweep of an unknown addition": (sweep, ["--variants=paper+x"], "found paper+x"),
    "sweep on cores that are not here": (sweep, ["--jobs=1000"], "--jobs=1000: expected at most"),
    "figures of no folder": (make_figures, ["--folder=no"], "no/experts.csv: no such file"),
    "figures of tables without curves": (make_figures, ["--folder=full"], "full/experts.csv"),
    "figures of tables with other columns": (
        make_figures,
        ["--folder=columns"],
        "columns/experts.csv: columns: found no ['task'",
    ),
    "figures to another suffix": (make_figures, ["--out=a.csv"], "a.csv: found .csv, expected"),
    "figures one over the other": (make_figures, ["--out=figure5.png"], "other picture's"),
    "diagnosis to another suffix": (diagnose, ["full", "--out=a"], "a: found no suffix, expected"),
    "diagnosis of another table": (diagnose, ["columns"], "progress.csv: found no row of a run"),
    "tables with other columns": (make_tables, ["--folder=columns"], "runs.csv: columns: found no"),
    "tables over what they are of": (
        make_tables,
        ["--folder={given}/results", "--out={given}/results/runs.csv"],
        "runs.csv, which the table is made from",
    ),
    "diagnosis of nothing": (diagnose, [], "--run: found nothing"),
    "diagnosis of no run": (diagnose, ["no"], "no/progress.csv: no such file"),
    "tables of no folder": (make_tables, ["--folder=no"], "no/runs.csv: no such file"),
    "benchmark of an unknown section": (benchmark, ["--section=all"], "section"),
    "benchmark of no environment": (benchmark, ["--task=NoSuch-v0"], "NoSuch-v0: cannot be made"),
}


@pytest.mark.parametrize("wrong", CASES)
def test_flags_files_and_environments(tmp_path, given, capsys, monkeypatch, wrong):
    monkeypatch.chdir(tmp_path)
    Path("precious").write_text("a,b\n1,2\n")
    for name in ("full", "hollow", "listed", "columns"):
        Path(name).mkdir()
    for name in ("experts", "runs", "progress"):
        Path(f"columns/{name}.csv").write_text("a,return\n1,2\n")
    shutil.copytree(given / "cartpole_model", "cut")
    for file in Path("cut/variables").glob("*.data*"):
        file.write_bytes(file.read_bytes()[:100])
    Path("full/config.json").write_text("{}")
    Path("full/experts.csv").write_text("")
    shutil.copy(given / "cartpole_model/metadata.json", "hollow")
    Path("listed/metadata.json").write_text(json.dumps([1, 2]))
    before, right = contents(tmp_path), contents(given)
    script, flags, expected = CASES[wrong]
    flags = [flag.replace("{given}", str(given)) for flag in flags]
    if "results" in wrong:
        flags.append("--smoke")
    line = refused(script, flags, capsys)
    assert expected.replace("{given}", str(given)) in line
    assert contents(given) == right
    left = contents(tmp_path)
    assert {name: left.get(name) for name in before} == before  # nothing overwritten or lost
    if "--smoke" not in CASES[wrong][1]:  # those fail in the middle of a run
        assert left == before


# -- what only shows in a run that has begun ---------------------------------------------------


def _short(out: str, *more: str) -> list[str]:
    settings = ["--set=env_steps=2000", "--set=batch_steps=200", "--set=value_epochs=1"]
    settings.append("--set=jit_compile=False")
    return [CARTPOLE, f"--out={out}", "--episodes=1", "--checkpoint_every=0", *settings, *more]


@pytest.mark.parametrize("limit", [30_000])
def test_full_disk_is_one_line_and_keeps_the_checkpoint(tmp_path, capsys, monkeypatch, limit):
    """A limit on the size of files stands for the disk: a write beyond it fails in the same way."""
    monkeypatch.chdir(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    saved, load = [], checkpoint.save

    def save(folder, number, state):  # the disk is full after the second checkpoint
        if len(saved) == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        saved.append(load(folder, number, state))
        return saved[-1]

    monkeypatch.setattr(checkpoint, "save", save)
    try:
        line = refused(train_expert, _short("run"), capsys)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "too large" in line.lower() and "kept" in line
    assert [p.name for p in saved] == sorted(p.name for p in Path("run/checkpoints").glob("ch*"))
    assert checkpoint.load(Path("run/checkpoints")) is not None
    monkeypatch.setattr(checkpoint, "save", load)
    assert train_expert.main(["", *_short("run", "--resume")]) == 0  # goes on from there


def test_run_that_another_process_writes_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    held = results.Run(Path("run"), {"some": "run"})
    before = contents(tmp_path)
    for more in ([], ["--resume"]):
        line = refused(train_expert, _short("run", *more), capsys)
        assert "not empty" in line or "another process" in line
    assert contents(tmp_path) == before
    held.__exit__(None, None, None)


def test_checkpoint_of_another_version_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)

    class Stop(Exception):
        pass

    def stop(*_):
        raise Stop

    with monkeypatch.context() as patched:
        patched.setattr(results.Run, "trained", stop)
        with pytest.raises(Stop):
            train_expert.main(["", *_short("run")])
    folder = Path("run/checkpoints")
    state = checkpoint.load(folder)
    del state["training"]["learner"]
    checkpoint.save(folder, 10**9, state)
    line = refused(train_expert, _short("run", "--resume"), capsys)
    assert "run: checkpoint: KeyError: 'learner'" in line


def test_run_begun_by_a_version_that_measured_other_things_is_refused(tmp_path):
    class Nothing(checkpoint.Resumable):
        _plain = ()

    row, begun = {"env_steps": 1, "kl": 0.1}, (tmp_path / "run", {"some": "run"})
    with results.Run(*begun, every=0.0) as run:
        run.progress(row)
        run.checkpoint(1, Nothing())
    for other in ({"env_steps": 2}, {**row, "entropy": 0.5}):
        refusal = pytest.raises(BadInput, match=r"run: progress\.csv: other columns; expected")
        with results.Run(*begun, resume=True) as run, refusal:
            run.progress(other)
    assert len((tmp_path / "run/progress.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize("weights", [None, b"", b"PK"])
def test_expert_without_its_weights(tmp_path, capsys, monkeypatch, weights):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    folder = tmp_path / "experts/cartpole"
    folder.mkdir(parents=True)
    if weights is not None:
        (folder / "policy.npz").write_bytes(weights)
    before = contents(tmp_path)
    for script in (train_bc, train_mgail, quickstart, collect_demos, evaluate, export_policy):
        line = refused(script, [CARTPOLE, "--smoke"], capsys)
        assert str(folder) in line
        assert ("no committed expert at" if weights is None else "not a policy file") in line
    assert contents(tmp_path) == before
