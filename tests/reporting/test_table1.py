"""Table 1 is what the runs come to, and the committed one is made of the committed rows."""

import math

import make_tables
import pandas as pd
import pytest

from mgail_tf.errors import BadInput
from mgail_tf.policies.experts import results_folder
from mgail_tf.reporting.table1 import latex, markdown, table1
from tests.reporting.runs import result_row


def _run(seed, value, **changes):
    score = {"return_mean": value, "return_std_over_episodes": 3.0, "normalised": value / 1000}
    steps = {"env_steps": 100 + seed}
    return result_row(**{"algorithm": "mgail", "seed": seed, **score, **steps, **changes})


def _made(folder, runs):
    pd.DataFrame(runs).to_csv(folder / "runs.csv", index=False)
    whole = pd.read_csv(results_folder() / "paper_table1.csv")
    whole.to_csv(folder / "paper_table1.csv", index=False)
    table = table1(folder)
    assert len(table) == len(whole) == 93
    cell = (table["task"] == "hopper") & (table["num_trajectories"] == 4)
    return table, table[cell & (table["algorithm"] == "mgail")].iloc[0]


def test_cell_by_hand(tmp_path):
    left_out = [
        _run(0, 1.0, mode="stochastic"),
        _run(1, 1.0, variant="paper"),
        _run(2, 1.0, subsample=1),
        _run(3, 1.0, num_trajectories=11),
        _run(4, 1.0, algorithm="gail"),
    ]
    table, cell = _made(tmp_path, [_run(0, 900.0), _run(1, 1100.0), *left_out])
    assert (cell["seeds"], cell["env_steps"], cell["return_mean"]) == (2, 100, 1000.0)
    # standard deviation 141.42 over 2 seeds; Student's t with 1 degree of freedom: 12.706
    assert cell["return_interval_over_seeds"] == pytest.approx(12.7062 * 100, rel=1e-4)
    assert (cell["normalised"], cell["normalised_min"]) == (1.0, 0.9)
    assert cell["return_std_over_episodes"] == 3.0
    assert (cell["paper_return_mean"], cell["paper_return_std_over_episodes"]) == (3669.53, 6.09)
    assert table["seeds"].sum() == 4  # two cells more have a run


def test_stable_seeds_are_those_that_end_near_their_best(tmp_path):
    runs = [_run(seed, 900.0) for seed in range(4)]
    expert = {
        "task": "hopper",
        "mode": "stochastic",
        "random_return_mean": -500,
        "return_mean": -80,
    }
    pd.DataFrame([expert]).to_csv(tmp_path / "experts.csv", index=False)
    # of the best, -70, nine tenths above -500 are left at -113
    ways = {
        0: [-500, -70, -85, -112, -72, -71],
        1: [-500, -70, -85, -114, -72, -71],
        2: [-500, -114, -70, -85, -112, -72, -71],
    }
    run = {"task": "hopper", "algorithm": "mgail", "num_trajectories": 4, "subsample": 20}
    points = [
        {**run, "variant": variant, "seed": seed, "env_steps": k, "evaluation": value}
        for variant, seed, way in [*(("default", s, w) for s, w in ways.items()), ("old", 1, [1])]
        for k, value in enumerate(way)
    ]
    assert math.isnan(_made(tmp_path, runs)[1]["stable_seeds"])  # nothing is known of it
    pd.DataFrame(points).to_csv(tmp_path / "curves.csv", index=False)
    assert _made(tmp_path, runs)[1]["stable_seeds"] == 2  # -114 is too low; 3 has no curve


def test_one_seed_has_no_interval(tmp_path):
    _, cell = _made(tmp_path, [_run(0, 900.0)])
    assert cell["seeds"] == 1 and math.isnan(cell["return_interval_over_seeds"])


def test_seed_that_stands_twice_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"runs.csv: found two rows of task hopper, .* seed 0"):
        _made(tmp_path, [_run(0, 900.0), _run(0, 901.0)])


def test_curve_that_stands_twice_is_refused(tmp_path):
    curve = pd.read_csv(results_folder() / "curves.csv")
    one = curve[(curve["task"] == "cartpole") & (curve["seed"] == 0)]
    pd.concat([one, one]).to_csv(tmp_path / "curves.csv", index=False)
    with pytest.raises(BadInput, match=r"curves.csv: task cartpole, .*: found two curves"):
        _made(tmp_path, [_run(0, 900.0)])


def test_best_of_the_paper_s_and_the_best_of_ours_are_bold(tmp_path):
    gail = _run(0, 950.0, algorithm="gail")
    table, _ = _made(tmp_path, [_run(0, 900.0), _run(1, 1100.0), gail])
    page = markdown(table)
    assert "2 of 93 cells have been run" in page
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.split("\n")]
    assert ["environment", "trajectories", "BC, paper"] in [row[:3] for row in rows]
    hopper = next(row for row in rows if row[:1] == ["Hopper-v5"])
    assert hopper[1:5] == ["4", "50.6 ± 0.9", "3,614.2 ± 7.2", "**3,669.5 ± 6.1**"]
    # the best of two is not the best of three
    assert hopper[5:] == ["", "950.0 ± 3.0 (1)", "1,000.0 ± 3.0 (2)"]
    runs = [gail, _run(0, 900.0), _run(1, 1100.0), _run(0, -1.5, algorithm="bc")]
    table, _ = _made(tmp_path, runs)
    lines = latex(table).split("\n")
    assert lines[0] == "\\begin{tabular}{lrrrrrrr}" and lines[-2] == "\\end{tabular}"
    (line,) = (line for line in lines if line.startswith("Hopper-v5"))
    ours = "950.0 $\\pm$ 3.0 (1) & \\textbf{1,000.0 $\\pm$ 3.0} (2) \\\\"
    assert line.endswith(f"& $-$1.5 $\\pm$ 3.0 (1) & {ours}")
    assert len([line for line in lines if line.count(" & ") == 7]) == 32


def test_committed_tables_are_made_of_the_committed_rows(tmp_path, capsys):
    assert make_tables.main(["", f"--out={tmp_path}"]) == 0
    names = "table1.csv", "table1.md", "table1.tex", "statistics.csv", "interactions.csv"
    for name in names:
        assert (tmp_path / name).read_text() == (results_folder() / name).read_text(), name
    assert f"{tmp_path / 'table1.csv'}: " in capsys.readouterr().out
