"""launch/practice.py: a row for each run and mode, nothing made twice, bad flags in one line."""

import pandas as pd
import practice
import pytest

TINY = ["--set=compile=graph", "--set=updates_per_call=2", "--set=horizon=2"]


@pytest.mark.slow
def test_a_row_for_each_algorithm_and_mode_and_nothing_is_made_twice(tmp_path, capsys):
    command = ["practice.py", "--tasks=reacher", "--trajectories=1", "--env_steps=1010"]
    command += ["--episodes=2", f"--out={tmp_path}", *TINY]
    assert practice.main(command) == 0
    first = (tmp_path / "practice.csv").read_text()
    rows = pd.read_csv(tmp_path / "practice.csv")
    assert sorted(zip(rows["algorithm"], rows["mode"], strict=True)) == [
        (algorithm, mode)
        for algorithm in ("bc", "mgail")
        for mode in ("deterministic", "stochastic")
    ]
    assert (rows["task"] == "reacher").all() and rows["return_mean"].notna().all()
    assert practice.main(command) == 0
    assert (tmp_path / "practice.csv").read_text() == first
    assert "reacher" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--tasks=hopper", "--tasks: found 'hopper'"),
        ("--algorithms=trpo", "--algorithms: found 'trpo'"),
        ("--trajectories=0", "--trajectories: found '0'"),
        ("--seeds=a", "--seeds: found 'a'"),
    ],
)
def test_bad_flags_are_named_in_one_line(tmp_path, capsys, flag, said):
    assert practice.main(["practice.py", f"--out={tmp_path}", flag]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
