"""Everything wrong that a user can give: exit code 2, one line that says what, nothing written."""

import io
import json
import re
import resource
import shlex
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _flags
import h5py
import huggingface_hub
import numpy as np
import pytest

from mgail_tf import checkpoint, files
from mgail_tf.envs.gym_env import make
from mgail_tf.policies import experts
from mgail_tf.reporting import collect
from mgail_tf.training import run_directory
from tests.launch.running import contents, run
from tests.reporting.runs import result_row, write_run

pytestmark = pytest.mark.slow


def said(capsys) -> str:
    """Return the one line of an error on standard error; assert that there is one."""
    printed = capsys.readouterr().err
    # a progress bar that had begun ends in a line of its own
    lines = [x for x in printed.replace("\r", "\n").splitlines() if "error" in x or "rror:" in x]
    assert len(lines) == 1 and lines[0].startswith("error: "), printed
    assert "Traceback" not in printed
    return lines[0]


@pytest.fixture(scope="module")
def given(tmp_path_factory, cartpole_demos) -> Path:
    """Return a folder with what is right: demonstrations, policies, SavedModels, tables, a run."""
    folder = tmp_path_factory.mktemp("given")
    shutil.copy(cartpole_demos, folder / "demos.npz")
    for task in ("cartpole", "acrobot"):
        policy = experts.load(task, make(task, 0).spec)
        policy.save(folder / f"{task}.npz")
        policy.export(folder / f"{task}_model")
        policy.export(folder / f"{task}.onnx", format="onnx")
    (folder / "results").mkdir()
    for name in ("runs.csv", "paper_table1.csv"):
        shutil.copy(experts.results_folder() / name, folder / "results")
    write_run(folder / "run", [result_row(return_mean=1.0)])
    return folder


# -- demonstration files ---------------------------------------------------------------------

FIELDS = "states", "actions", "rewards", "lengths", "terminated", "env_id"


def _with(value: float, dtype: Any = np.float32) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        array = array.astype(dtype)
        array.flat[3] = value
        return array

    return change


def _member(array: np.ndarray, shape: tuple | None = None) -> bytes:
    """Return an npy file, with a header that may claim another shape."""
    file = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": shape or array.shape}
    np.lib.format.write_array_header_1_0(file, header)
    file.write(array.tobytes())
    return file.getvalue()


def _zipped(*members: bytes) -> Callable[[bytes], bytes]:
    """Return a function that puts states into an npz, without looking at them."""

    def change(npz: bytes) -> bytes:
        file = io.BytesIO(npz if members else b"")
        with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
            for member in members:
                archive.writestr("states.npy", member)
        return file.getvalue()

    return change


class _Evil:
    """What a pickle would run."""

    def __reduce__(self):
        return (Path("unpickled").touch, ())


FOUR = np.zeros(4, np.float32)
# of the whole file, or of arrays, by a value, None (it is left out) or a function of the array
Change = Callable[[bytes], bytes] | dict[str, Any]
# what is changed, and the first field that the line names ("": the file is not read so far)
FILES: list[tuple[Change, str]] = [
    (lambda b: b"", ""),
    (lambda b: b[:200], ""),
    (lambda b: b[: len(b) // 2], ""),
    (lambda b: b"states,actions\n1,2\n", ""),
    (lambda b: _member(FOUR), ""),
    (lambda b: b[:700] + bytes([b[700] ^ 255]) + b[701:], ""),
    (_zipped(), "states"),  # an archive with nothing in it
    (_zipped(_member(np.zeros((1 << 23, 4), np.float32))), ""),  # a thousand times larger than it
    (_zipped(_member(FOUR, (1 << 48, 4))), ""),  # claims a petabyte
    (_zipped(_member(FOUR, (1 << 29, 4))), ""),  # claims 8 gigabytes
    ({"states": np.array([_Evil()] * 4, object)}, ""),
    ({"states": None}, "states"),
    ({"lengths": None}, "lengths"),
    ({"env_id": None}, "env_id"),
    ({"env_id": "Acrobot-v1"}, "env_id"),
    ({"env_id": np.array(3.0)}, "env_id"),
    ({"states": lambda a: a.astype(str)}, "states"),
    ({"states": lambda a: a.astype(complex)}, "states"),
    ({"states": lambda a: np.c_[a, a]}, "states"),
    ({"states": lambda a: a.ravel()}, "states"),
    ({"states": lambda a: a[:-1]}, "states"),
    ({"states": _with(np.nan)}, "states"),
    ({"states": _with(np.inf)}, "states"),
    ({"states": _with(1e300, np.float64)}, "states"),
    ({"actions": lambda a: a * 0.5}, "actions"),
    ({"actions": lambda a: np.eye(2)[a]}, "actions"),
    ({"actions": _with(2, np.int64)}, "actions"),
    ({"actions": _with(-1, np.int64)}, "actions"),
    ({"actions": lambda a: a[:-1]}, "actions"),
    ({"rewards": lambda a: a[:-1]}, "rewards"),
    ({"rewards": lambda a: a.astype(str)}, "rewards"),
    ({"lengths": lambda a: a * 1.0}, "lengths"),
    ({"lengths": lambda a: a + 1}, "states"),  # they do not add up to what there is of these
    ({"lengths": lambda a: a * [1, 0, 1]}, "lengths"),
    ({"lengths": lambda a: a * [1, -1, 1]}, "lengths"),
    ({"lengths": lambda a: a + (1 << 62)}, "states"),
    ({"lengths": np.zeros(0, np.int64)}, "lengths"),
    ({"terminated": lambda a: a * 1}, "terminated"),
    ({"terminated": lambda a: np.r_[a, a]}, "terminated"),
]


def _changed(npz: bytes, change: Change) -> bytes:
    if callable(change):
        return change(npz)
    with np.load(io.BytesIO(npz)) as data:
        arrays = dict(data)
    arrays |= {name: x(arrays[name]) if callable(x) else x for name, x in change.items()}
    file = io.BytesIO()
    np.savez(file, **{name: array for name, array in arrays.items() if array is not None})
    return file.getvalue()


@pytest.mark.parametrize("script", ["train_bc", "train_gail", "train_mgail"])
def test_demonstration_file(tmp_path, cartpole_demos, capsys, monkeypatch, script):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(files, "_LARGEST", 1 << 24)  # so that the large one may be small
    path = tmp_path / "bad.npz"
    for number, (change, field) in enumerate(FILES):
        path.write_bytes(_changed(cartpole_demos.read_bytes(), change))
        before = contents(tmp_path)
        assert run(script, "--task=cartpole", f"--demos={path}", "--out=out", "--smoke") == 2
        line = said(capsys)
        assert line.startswith(f"error: {path}: "), (number, line)
        named = [
            word for word in re.findall(r"\w+", line.removeprefix(str(path))) if word in FIELDS
        ]
        assert not field or named[0] == field, (number, line)
        assert contents(tmp_path) == before


# -- flags, environments, policies, runs and tables ------------------------------------------

TRAIN = "--task=cartpole --demos={given}/demos.npz"  # a flag that is given twice counts last
ALWAYS = {
    **dict.fromkeys(("train_bc", "train_gail", "train_mgail"), TRAIN),
    **dict.fromkeys(("train_expert", "evaluate", "export_policy"), "--task=cartpole"),
    **dict.fromkeys(("collect_demos", "record_video", "train_interactive"), "--task=cartpole"),
}
CASES = [  # script, its flags beside those above, file or flag or setting in the line, exit code
    # demonstrations
    ("train_bc", "--demos=no.npz", "no.npz", 2),
    ("train_bc", "--demos={given}", "{given}", 2),
    ("train_gail", "--task=acrobot", "env_id", 2),
    ("train_bc", "--demos=precious", "precious: found a CSV or text file", 2),
    ("train_mgail", "--demos={given}/cartpole.npz", "found a policy file (npz)", 2),
    ("train_gail", "--demos={given}/cartpole_model", "found a SavedModel folder", 2),
    ("train_bc", "--demos=cut.hdf5", "cut.hdf5: not a whole HDF5 file", 2),
    ("train_bc", "--demos=flat.hdf5", "flat.hdf5: found an HDF5 file without `obs", 2),
    ("train_mgail", "--demos=minari:a/b", "minari:a/b: dataset id: ", 2),
    ("train_mgail", "--demos=minari:us/none-v0", "minari:us/none-v0: not here", 2),
    ("inspect_demos", "", "found 0 files", 2),
    ("inspect_demos", "a b", "found 2 files", 2),
    ("inspect_demos", "no.npz", "no.npz: ", 2),
    ("inspect_demos", "{given}/demos.npz --task=acrobot", "env_id", 2),
    ("inspect_demos", "{given}/demos.npz --out=precious", "precious: found no suffix", 2),
    ("inspect_demos", "{given}/demos.npz --out=old.png", "old.png: exists", 2),
    ("inspect_demos", "{given}/demos.npz --num_trajectories=9", "num_trajectories", 2),
    ("train_bc", "--num_trajectories=9", "num_trajectories", 2),
    ("train_bc", "--num_trajectories=0", "num_trajectories", 2),
    ("train_bc", "--subsample=0", "subsample", 2),
    # environments
    ("train_mgail", "--task=NoSuch-v7", "NoSuch-v7", 2),
    ("train_mgail", "--task='a b/c'", "a b/c", 2),
    ("train_expert", "--task=nomodule:X-v0", "nomodule:X-v0", 2),
    ("train_expert", "--task=ToySequence-v0", "ToySequence-v0: observation space", 2),
    ("train_expert", "--task=ToyImage-v0", "ToyImage-v0: observation space", 2),
    ("train_expert", "--task=ToyBlind-v0 --smoke", "ToyBlind-v0: ", 2),
    ("train_expert", "--task=ToyRaises-v0 --smoke", "ToyRaises-v0: step: ZeroDivisionError", 2),
    ("train_expert", "--task=ToyNoReset-v0 --smoke", "ToyNoReset-v0: reset: RuntimeError", 2),
    ("train_expert", "--task=ToyUnmade-v0 --smoke", "ToyUnmade-v0: ", 2),
    ("train_expert", "--task=ToyGrows-v0 --smoke", "ToyGrows-v0: state: ", 2),
    ("train_expert", "--task=ToyRich-v0 --smoke", "ToyRich-v0: reward: ", 2),
    # settings
    ("train_mgail", "--set=horizont=3", "horizont", 2),
    ("train_mgail", "--set=horizon=many", "horizon: found 'many'", 2),
    ("train_mgail", "--set=horizon", "--set horizon: ", 2),
    ("train_mgail", "--set=gamma=1.5", "gamma: found 1.5", 2),
    ("train_mgail", "--set=gamma=nan", "gamma: found ", 2),
    ("train_mgail", "--set=policy_batch=1e999", "policy_batch: found ", 2),
    ("train_mgail", "--set=horizon=__import__(0)", "horizon: found ", 2),
    ("train_mgail", "--set=forward_model=lstm", "forward_model: found 'lstm'", 2),
    ("train_bc", "--set=horizon=3", "horizon", 2),
    ("train_mgail", "--set=observation_components=5", "observation_components: found 5", 2),
    ("train_gail", "--set=batch_steps=()", "batch_steps: found ()", 2),
    ("train_mgail", "--set=td_lambda=2", "td_lambda: found 2", 2),
    ("train_mgail", "--set=updates_per_step=20", "updates_per_step: found 20", 2),
    ("train_bc", "--set=hidden=(0,)", "hidden, component 0: found 0", 2),
    ("train_expert", "--env_steps=2048", "env_steps: found 2048", 2),
    ("train_mgail", "--env_steps=500", "env_steps: found 500", 2),
    ("train_expert", "--start_from=full", "--start_from=full: found no checkpoint", 2),
    ("train_mgail", "--preset=papper", "preset: found 'papper'", 2),
    ("train_gail", "--preset=paper", "Unknown command line flag 'preset'", 2),
    ("quickstart", "--task=cartpole --set=horizont=3", "horizont", 2),
    # flags
    ("train_gail", "--sead=1", "sead", 2),
    ("train_gail", "--seed=one", "seed", 2),
    ("train_gail", "--seed=-1", "seed", 2),
    ("train_gail", f"--seed={1 << 70}", "seed", 2),
    ("train_gail", "hopper", "hopper", 2),
    ("train_gail", "--episodes=0", "episodes", 2),
    ("train_gail", "--threads=0", "threads", 2),
    ("train_gail", "--env_steps=0", "env_steps", 2),
    ("train_gail", "--workers=2", "workers: found 2", 2),
    ("train_gail", "--set=num_envs=2 --workers=3", "workers: found 3", 2),
    ("quickstart", "--task=Pendulum-v1", "--task=Pendulum-v1", 2),
    # experts that are asked
    ("train_interactive", "--task=Pendulum-v1", "Pendulum-v1: no committed expert", 2),
    ("train_interactive", "--expert=no.npz", "no.npz: no such policy file", 2),
    ("train_interactive", "--expert={given}/acrobot.npz", "acrobot.npz: env_id: ", 2),
    ("train_interactive", "--expert=full", "full: not an exported policy", 2),
    ("train_interactive", "--method=bc", "method", 2),
    ("train_interactive", "--queries=0", "queries", 2),
    ("train_interactive", "--queries=50 --num_trajectories=1", "--queries and --num_traj", 2),
    (
        *("train_interactive", "--method=forward_training --queries=199"),
        *("expert_queries: found 199, expected at least 200", 2),
    ),
    ("train_interactive", "--method=forward_training --subsample=5", "--subsample: ", 2),
    ("train_interactive", "--method=smile --set=alpha=0", "alpha: found 0", 2),
    ("train_interactive", "--method=dagger --set=alpha=0.5", "alpha", 2),
    (
        "train_interactive",
        "--method=forward_training --task=ToyEndless-v0 --expert={given}/cartpole.npz",
        "env_id: ",
        2,
    ),
    ("train_interactive", "--out=full", "full: ", 2),
    # folders of runs
    ("train_bc", "--out=precious", "precious: ", 2),
    ("train_bc", "--out=precious/a", "precious/a: ", 2),
    ("train_bc", "--out=full", "full: ", 2),
    ("train_bc", "--out=full --resume", "full: config.json: ", 2),
    ("train_bc", f"--label={'x' * 300}", "x-seed0: ", 2),
    # experts and policies
    ("collect_demos", "--task=Pendulum-v1", "give --policy=FILE", 2),
    ("collect_demos", "--policy={given}/cartpole.onnx", "say --deterministic", 2),
    ("train_bc", "--task=Pendulum-v1 --demos=", "give --demos=FILE", 2),
    ("collect_demos", "--out=a.csv", "--out=a.csv: ", 2),
    ("collect_demos", "--out={given}/demos.npz", "{given}/demos.npz: ", 2),
    ("collect_demos", "--out=precious/a.npz", "precious: ", 2),
    ("collect_demos", "--policy=no", "no: ", 2),
    ("collect_demos", "--policy={given}/acrobot_model", "acrobot_model: env_id: ", 2),
    ("evaluate", "--policy=no.npz", "no.npz: ", 2),
    ("evaluate", "--policy={given}/acrobot.npz", "acrobot.npz: env_id: ", 2),
    ("evaluate", "--policy={given}", "{given}: ", 2),
    ("evaluate", "--policy={given}/demos.npz", "demos.npz: ", 2),
    ("evaluate", "--policy={given}/run", "run: found a run that is not finished", 2),
    ("evaluate", "--policy=folders", "folders: found a folder without policy.npz", 2),
    ("evaluate", "--policy={given}/acrobot_model", "acrobot_model: env_id: ", 2),
    ("evaluate", "--policy={given}/acrobot.onnx", "acrobot.onnx: env_id: ", 2),
    ("evaluate", "--policy=cut.onnx", "cut.onnx: not an exported policy", 2),
    ("evaluate", "--policy=no.onnx", "no.onnx: no such policy file", 2),
    ("evaluate", "--task=Pendulum-v1", "give --policy=FILE", 2),
    ("evaluate", "--policy=no", "no: ", 2),
    ("evaluate", "--policy=hollow", "hollow: ", 2),
    ("evaluate", "--policy=listed", "listed: ", 2),
    ("evaluate", "--policy=cut", "cut: ", 2),
    ("export_policy", "--out=full", "full: ", 2),
    ("export_policy", "--out={given}/cartpole_model", "cartpole_model: ", 2),
    ("export_policy", "--policy=no.npz", "no.npz: ", 2),
    ("export_policy", "--policy={given}/cartpole.onnx --out=a", "found an exported policy", 2),
    ("export_policy", "--format=tflite", "format", 2),
    ("export_policy", "--format=onnx --out=a", "--out=a: ", 2),
    ("export_policy", "--out=a.onnx", "--out=a.onnx: ", 2),
    ("export_policy", "--format=onnx --out=cut.onnx", "cut.onnx: exists", 2),
    (
        "export_policy",
        "--format=onnx --policy={given}/cartpole.npz --out=precious/a.onnx",
        "precious: ",
        2,
    ),
    # videos
    ("record_video", "--out=a.avi", "a.avi: found .avi", 2),
    ("record_video", "--out=film.gif", "film.gif: exists", 2),
    ("record_video", "--out=a.gif --titles=a,b", "--titles: found 2", 2),
    ("record_video", "--out=a.gif --policies=no.npz", "no.npz: ", 2),
    ("record_video", "--out=a.gif --policies={given}/acrobot.npz", "acrobot.npz: env_id: ", 2),
    ("record_video", "--out=a.gif --task=Pendulum-v1", "give --policies=FILE", 2),
    ("record_video", "--out=precious/a.gif --seconds=0.1", "precious: ", 2),
    ("record_video", "--seconds=0", "seconds", 2),
    # run folders to tables
    ("collect", "--out=tables", "folder", 2),
    ("collect", "no --out=tables", "no: ", 2),
    ("collect", "unfinished --out=tables", "unfinished: ", 2),
    ("collect", "{given}/run damaged --out=tables", "damaged: ", 2),
    ("collect", "{given}/run --out=columns", "columns/runs.csv: columns: ", 2),
    ("collect", "{given}/run --out=conflict", "conflict/runs.csv: task hopper, ", 2),
    ("collect", "{given}/run --out=twice", "twice/runs.csv: ", 2),
    ("collect", "short --out=tables", "short: rows: found no ['commit']", 2),
    ("collect", "{given}/run --out=bytes", "bytes/runs.csv: ", 2),
    ("collect", "{given}/run --out=ragged", "ragged/runs.csv: row 1: ", 2),
    ("collect", "{given}/run --out=folders", "folders/runs.csv: ", 2),
    ("collect", "{given}/run --out=precious", "precious: ", 2),
    ("collect", "{given}/run --out=precious/a", "precious/a: ", 2),
    ("collect", "{given}/run --out=/dev/null", "/dev/null: ", 2),
    # sweeps
    ("sweep", "--tasks=cartpole,foo", "--tasks: found 'foo'", 2),
    ("sweep", "--tasks=acrobot --demos=no/{{task}}.npz", "--demos: no/acrobot.npz: ", 2),
    ("sweep", "--tasks=acrobot --demos=precious", "--demos: precious: found a CSV", 2),
    ("sweep", "--seeds=", "--seeds: ", 2),
    ("sweep", "--seeds=0,x", "--seeds: found 'x'", 2),
    ("sweep", "--presets=paper+value", "preset: found 'paper+value'", 2),
    ("sweep", "--presets=paper,default --label=both", "--label=both: ", 2),
    ("sweep", "--set=horizont=3", "horizont", 2),
    ("sweep", "--env_steps=5", "env_steps: found 5", 2),
    ("sweep", "--jobs=1000", "--jobs=1000: ", 2),
    ("sweep", "--algorithms=bc,trpo", "--algorithms: found 'trpo'", 2),
    ("sweep", "--num_trajectories=4,x", "--num_trajectories: found 'x'", 2),
    ("sweep", "--tasks=acrobot --num_trajectories=11", "--num_trajectories: found 11, exp", 2),
    ("sweep", "--engine=ray --jobs=2", "--jobs=2: expected --engine=local", 2),
    ("sweep", "--engine=ray --address=nowhere", "--address=nowhere: ", 2),
    # figures and tables
    ("make_figures", "--folder=no", "no/runs.csv: ", 2),
    ("make_figures", "--folder=full", "full/experts.csv: ", 2),
    ("make_figures", "--folder=columns", "columns/experts.csv: columns: ", 2),
    ("make_figures", "--out=a.csv", "a.csv: ", 2),
    ("make_figures", "--out=figure5.png", "--out: found figure5.png", 2),
    ("diagnose", "", "found 0 ", 2),
    ("diagnose", "full no", "found 2 ", 2),
    ("diagnose", "no", "no/progress.csv: ", 2),
    ("diagnose", "columns", "columns/progress.csv: ", 2),
    ("diagnose", "full --out=a", "a: found no suffix", 2),
    ("diagnose", "full --out=old.png", "old.png: exists", 2),
    ("compare_runs", "--out=a.png", "found no folder", 2),
    ("compare_runs", "no --out=a.png", "no: found no config.json", 2),
    ("compare_runs", "full --out=a.png", "full: not a run that can be compared", 2),
    ("compare_runs", "damaged --out=a.png", "damaged/progress.csv: ", 2),
    ("compare_runs", "{given}/run --out=a.csv", "a.csv: found .csv", 2),
    ("compare_runs", "{given}/run --out=film.gif", "film.gif: ", 2),
    ("make_tables", "--folder=no", "no/runs.csv: ", 2),
    ("make_tables", "--folder=columns", "columns/runs.csv: columns: ", 2),
    ("make_tables", "--folder={given}/results --out={given}/results/runs.csv", "runs.csv", 2),
    ("make_tables", "--folder={given}/results --out=precious", "precious: ", 2),
    # studies
    ("audit_bias", "--task=Pendulum-v1", "Pendulum-v1: ", 2),
    ("audit_bias", "--algorithm=bc", "algorithm", 2),
    ("audit_bias", f"{TRAIN} --table=precious", "precious: columns: ", 2),
    ("benchmark", "--section=all", "section", 2),
    ("benchmark", "--task=NoSuch-v0", "NoSuch-v0: ", 2),
    ("compare_gradients", TRAIN, "CartPole-v1: ", 2),
]


def _prepare(given: Path) -> None:
    """Write, in the working directory, files and folders that are not what a script expects."""
    for name in ("full", "hollow", "columns", "unfinished", "twice", "bytes", "ragged"):
        Path(name).mkdir()
    Path("precious").write_text("a,b\n1,2\n")
    Path("old.png").write_bytes(b"\x89PNG")
    Path("cut.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n")
    with h5py.File("flat.hdf5", "w") as file:
        file["states"] = np.zeros(3)
    Path("full/config.json").write_text("{}")
    Path("full/experts.csv").write_text("")
    Path("film.gif").write_bytes(b"GIF89a")
    whole = (given / "cartpole.onnx").read_bytes()
    Path("cut.onnx").write_bytes(whole[: len(whole) // 2])
    for name in ("experts", "runs", "progress"):
        Path(f"columns/{name}.csv").write_text("a,return\n1,2\n")
    # SavedModels: weights cut off, no graph, metadata that are a list
    for name in ("cut", "listed"):
        shutil.copytree(given / "cartpole_model", name)
    for file in Path("cut/variables").glob("*.data*"):
        file.write_bytes(file.read_bytes()[:100])
    shutil.copy(given / "cartpole_model/metadata.json", "hollow")
    Path("listed/metadata.json").write_text(json.dumps([1, 2]))
    # runs
    shutil.copy(given / "run/config.json", "unfinished")
    shutil.copytree(given / "run", "damaged")
    Path("damaged/final.json").write_text("{")
    row = result_row()
    del row["commit"]
    write_run(Path("short"), [row])
    # tables
    collect.merge([given / "run"], Path("conflict"))
    table = Path("conflict/runs.csv").read_text()
    Path("conflict/runs.csv").write_text(table.replace(",1.0,", ",2.0,"))
    Path("twice/runs.csv").write_text(table + table.splitlines()[1] + "\n")
    Path("bytes/runs.csv").write_bytes(b"\xff\x00")
    Path("ragged/runs.csv").write_text(table.splitlines()[0] + "\nhopper,\n")
    Path("folders/runs.csv").mkdir(parents=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "flags", "named", "code"), CASES, ids=[" ".join(case[:2])[:60] for case in CASES]
)
def test_flags_files_and_environments(
    tmp_path, given, capsys, monkeypatch, script, flags, named, code
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    monkeypatch.setattr(huggingface_hub, "get_session", None)  # no network
    _prepare(given)
    before, right = contents(tmp_path), contents(given)
    words = shlex.split(f"{ALWAYS.get(script, '')} {flags}")
    assert run(script, *(word.format(given=given) for word in words)) == code
    assert named.format(given=given) in said(capsys)
    assert contents(given) == right
    left = contents(tmp_path)
    assert {name: left.get(name) for name in before} == before  # nothing overwritten or lost
    assert left == before or "--smoke" in flags  # those fail in the middle of a run


@pytest.mark.parametrize("weights", [None, b"", b"PK"])
def test_expert_without_its_weights(tmp_path, capsys, monkeypatch, weights):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experts, "results_folder", lambda: tmp_path)
    folder = tmp_path / "experts/cartpole"
    folder.mkdir(parents=True)
    if weights is not None:
        (folder / "policy.npz").write_bytes(weights)
    before = contents(tmp_path)
    for script in (
        *("train_bc", "train_mgail", "quickstart", "audit_bias"),
        *("collect_demos", "evaluate", "export_policy"),
    ):
        assert run(script, "--task=cartpole", "--smoke") == 2
        assert str(folder) in said(capsys)
    assert contents(tmp_path) == before


def test_wrong_expert_is_refused_before_tensorflow_is_loaded(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_flags, "load_tensorflow", lambda threads: pytest.fail("it takes seconds"))
    other = experts.weights_path("cartpole")
    for expert, named in (("no.npz", "no such policy file"), (other, "env_id: found CartPole-v1")):
        assert run("train_interactive", "--task=hopper", f"--expert={expert}") == 2
        assert f"{expert}: {named}" in said(capsys)
    assert not contents(tmp_path)


# -- what only shows in a run that has begun ---------------------------------------------------

SHORT = [
    *("--task=cartpole", "--out=run", "--episodes=1", "--checkpoint_every=0", "--env_steps=2000"),
    *("--set=batch_steps=200", "--set=value_epochs=1", "--set=compile=graph"),
]


@pytest.mark.slow
def test_full_disk_is_one_line_and_keeps_the_checkpoint(tmp_path, capsys, monkeypatch):
    """A limit on the size of files stands for the disk: a write beyond it fails in the same way."""
    monkeypatch.chdir(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    saved, save = [], checkpoint.save

    def fill(folder, number, state):  # the disk is full after the second checkpoint
        if len(saved) == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
        saved.append(save(folder, number, state))
        return saved[-1]

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "save", fill)
        try:
            assert run("train_expert", *SHORT) == 2
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    line = said(capsys)
    assert "run/checkpoints/checkpoint-" in line and "too large" in line.lower()
    assert [p.name for p in saved] == sorted(p.name for p in Path("run/checkpoints").glob("ch*"))
    assert checkpoint.load(Path("run/checkpoints")) is not None
    assert run("train_expert", *SHORT, "--resume") == 0  # goes on from there


@pytest.mark.slow
def test_run_that_another_process_writes_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with run_directory.Run(Path("run"), {"some": "run"}):
        before = contents(tmp_path)
        for more in ([], ["--resume"]):
            assert run("train_expert", *SHORT, *more) == 2
            assert said(capsys).startswith("error: run: ")
        assert contents(tmp_path) == before


@pytest.mark.slow
def test_checkpoint_of_another_version_is_refused(tmp_path, capsys, monkeypatch, eager):
    monkeypatch.chdir(tmp_path)

    class Stop(Exception):
        pass

    def stop(*_):
        raise Stop

    with monkeypatch.context() as patched:
        patched.setattr(run_directory.Run, "trained", stop)
        with pytest.raises(Stop):
            run("train_expert", *SHORT)
    folder = Path("run/checkpoints")
    state = checkpoint.load(folder)
    assert state is not None
    training = {name: part for name, part in state["training"].items() if name != "policy"}
    counters = {name: part for name, part in state.items() if name != "now"}
    capsys.readouterr()
    for number, (changed, missing) in enumerate(
        [({**state, "training": training}, "policy"), (counters, "now")]
    ):
        checkpoint.save(folder, 10**9 + number, changed)
        assert run("train_expert", *SHORT, "--resume") == 2
        line = said(capsys)
        assert line.startswith("error: run: checkpoint: ") and f"'{missing}'" in line
