"""Run folders become tables: every run once, none overwritten by mistake."""

import csv

import numpy as np
import pandas as pd
import pytest

from mgail_tf.config.tasks import TASKS
from mgail_tf.errors import BadInput
from mgail_tf.policies import experts
from mgail_tf.policies.numpy_policy import sha256
from mgail_tf.reporting import collect
from mgail_tf.reporting.tables import ASKED, CURVE_COLUMNS, EXPERT_COLUMNS, RUN_COLUMNS
from tests.reporting.runs import result_row, write_run

# 100 rows, of which four have an evaluation
PROGRESS = [
    {
        "env_steps": k,
        "kl": 0.01,
        "return": k / 10.0,
        "evaluation": k / 5.0 if k % 250 == 0 else np.nan,
    }
    for k in range(10, 1010, 10)
]


def _rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_curve_keeps_every_evaluation_and_the_mean_return_of_each_stretch(tmp_path):
    pd.DataFrame(PROGRESS).to_csv(tmp_path / "progress.csv", index=False)
    kept = collect.curve(tmp_path / "progress.csv")
    assert kept["env_steps"].iloc[0] == 30 and kept["env_steps"].iloc[-1] == 1000
    assert 34 <= len(kept) <= 38  # 100 rows, one in 3, and 4 evaluations
    assert kept["return"].iloc[0] == 2.0  # of 1, 2 and 3
    at = kept.dropna(subset=["evaluation"]).set_index("env_steps")["evaluation"]
    assert at.to_dict() == {250: 50.0, 500: 100.0, 750: 150.0, 1000: 200.0}
    assert kept["action_share"].isna().all()  # GAIL has none
    measured = [{**row, "action_share": row["evaluation"] / 1000.0} for row in PROGRESS]
    pd.DataFrame(measured).to_csv(tmp_path / "progress.csv", index=False)
    shares = collect.curve(tmp_path / "progress.csv").set_index("env_steps")["action_share"]
    assert shares.dropna().to_dict() == {250: 0.05, 500: 0.1, 750: 0.15, 1000: 0.2}


def test_every_kind_of_run_goes_to_its_tables_once(tmp_path):
    runs, out = tmp_path / "runs", tmp_path / "tables"
    both = ("deterministic", "stochastic")
    for name in ("bc", "gail", "mgail", "trpo"):
        modes = [result_row(algorithm=name, mode=mode) for mode in both]
        write_run(runs / name, modes, PROGRESS)
    (runs / "unfinished").mkdir()
    first = collect.merge([runs], out)  # the folder that they lie in
    assert {path.name: (new, rows) for path, new, rows in first} == {
        "runs.csv": (6, 6),
        "curves.csv": (72, 72),
        "experts.csv": (2, 2),
    }
    found = [(row["algorithm"], row["mode"]) for row in _rows(out / "runs.csv")]
    assert found == [(name, mode) for name in ("bc", "gail", "mgail") for mode in both]
    assert {row["algorithm"] for row in _rows(out / "experts.csv")} == {"expert"}
    before = _contents(out)
    again = collect.merge([runs / "gail", runs / "trpo", runs / "bc"], out)
    assert [new for _, new, _ in again] == [0, 0, 0] and _contents(out) == before


def test_rows_of_other_runs_are_kept_and_a_run_s_own_replaced_whole(tmp_path):
    runs, out = tmp_path / "runs", tmp_path / "tables"
    rows = [result_row(algorithm="gail", seed=seed, return_mean=1.0) for seed in (0, 1)]
    folders = [write_run(runs / str(row["seed"]), [row], PROGRESS) for row in rows]
    collect.merge(folders, out)
    before = _contents(out)
    row = {**rows[1], "return_mean": 2.0}
    other = write_run(tmp_path / "other", [row], PROGRESS[:30])  # and a shorter curve
    with pytest.raises(BadInput, match=r"runs\.csv: .*seed 1.*: return_mean: found 1\.0, .* 2\.0 "):
        collect.merge([other], out)
    assert _contents(out) == before
    collect.merge([other], out, replace=True)
    found = {row["seed"]: row["return_mean"] for row in _rows(out / "runs.csv")}
    assert found == {"0": "1.0", "1": "2.0"}
    points = pd.read_csv(out / "curves.csv").groupby("seed")["env_steps"].agg(["size", "max"])
    assert points.loc[0].tolist() == [36, 1000] and points.loc[1].tolist() == [30, 300]


def test_queries_of_an_expert_are_kept_and_older_tables_know_of_none(tmp_path):
    runs, out = tmp_path / "runs", tmp_path / "tables"
    asked = result_row(algorithm="dagger", expert_queries=80, expert_steps=200)
    first = result_row()
    for name in ASKED:
        first.pop(name)
    collect.merge([write_run(runs / "bc", [first])], out)
    older = pd.read_csv(out / "runs.csv").drop(columns=[*ASKED])
    older.to_csv(out / "runs.csv", index=False)
    collect.merge([write_run(runs / "dagger", [asked])], out)
    found = {row["algorithm"]: [row[name] for name in ASKED] for row in _rows(out / "runs.csv")}
    assert found == {"bc": ["", ""], "dagger": ["80", "200"]}


def test_conflict_in_one_table_writes_none(tmp_path):
    runs, out = tmp_path / "runs", tmp_path / "tables"
    collect.merge([write_run(runs / "a", [result_row(algorithm="trpo", return_mean=1.0)])], out)
    before = _contents(out)
    new = write_run(runs / "b", [result_row()])
    with pytest.raises(BadInput, match=r"experts\.csv"):
        other = write_run(runs / "c", [result_row(algorithm="trpo", return_mean=2.0)])
        collect.merge([new, other], out)
    assert _contents(out) == before  # no runs.csv, though nothing is wrong with that one's rows


def test_committed_tables_have_the_columns_of_the_code():
    for name, columns in (
        ("experts", EXPERT_COLUMNS),
        ("runs", RUN_COLUMNS),
        ("curves", CURVE_COLUMNS),
    ):
        header = (experts.results_folder() / f"{name}.csv").read_text().splitlines()[0]
        assert header == ",".join(columns)


def test_committed_experts_are_what_their_folders_say(tmp_path):
    collect.merge([experts.weights_path(task).parent for task in TASKS], tmp_path)
    committed = _rows(experts.results_folder() / "experts.csv")
    assert sorted(_rows(tmp_path / "experts.csv"), key=str) == sorted(committed, key=str)
    for task in TASKS:
        rows, weights = experts.rows(task), sha256(experts.weights_path(task))
        assert [row["mode"] for row in rows] == ["deterministic", "stochastic"]
        assert {row["weights_sha256"] for row in rows} == {weights}
