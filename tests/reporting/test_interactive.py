"""Score against expert actions, and Forward Training against its time limit."""

import make_figures
import pandas as pd
import pytest

from mgail_tf.errors import BadInput
from mgail_tf.reporting import interactive, report

RUN = {
    **{"task": "cartpole", "variant": "default", "subsample": 10, "mode": "deterministic"},
    **{"env_steps": 1000, "wall_seconds": 7.0, "expert_queries": 1500},
    **{"demos_sha256": "a file", "env_id": "CartPole-v1"},
}
EXPERT = {"task": "cartpole", "random_return_mean": 0, "return_mean": 200, "length_mean": 195.0}
EXPERTS = [{**EXPERT, "mode": mode} for mode in ("deterministic", "stochastic")]


def _run(algorithm, trajectories, seed, normalised, **changes):
    run = {"algorithm": algorithm, "num_trajectories": trajectories, "seed": seed}
    return {**RUN, **run, "normalised": normalised, **changes}


RUNS = [
    _run("bc", 1, 0, 0.4),
    _run("bc", 1, 1, 0.6),
    _run("bc", 1, 0, 0.1, mode="stochastic"),
    _run("dagger", 1, 0, 0.9),
    _run("dagger", 4, 0, 1.0),
    _run("dagger", 4, 0, 0.0, variant="other"),
    _run("forward_training", 20, 0, 0.8, subsample=1),
    # with another time limit it is no task, and goes by its id
    _run("forward_training", 20, 0, 0.7, subsample=1, variant="T50", task="CartPole-v1"),
    _run("forward_training", 20, 1, 0.9, subsample=1, variant="T50"),
    _run("forward_training", 20, 0, 0.5, subsample=1, variant="T200", env_steps=9000),
]


def _write(folder, **tables):
    for name, rows in tables.items():
        pd.DataFrame(rows).to_csv(folder / f"{name}.csv", index=False)


def test_expert_actions_are_counted_alike_for_queries_and_demonstrations(tmp_path):
    _write(tmp_path, runs=RUNS, experts=EXPERTS)
    table = interactive.queries_table(tmp_path)
    found = {(r.algorithm, r.expert_actions): r.normalised for r in table.itertuples()}
    # a trajectory of 195 steps holds 20 pairs, one in 10 kept
    assert found == {
        ("bc", 20): 0.5,
        ("dagger", 20): 0.9,
        ("dagger", 80): 1.0,
        ("forward_training", 3900): 0.8,
    }
    bc = table[table["algorithm"] == "bc"].iloc[0]
    assert (bc["seeds"], bc["normalised_min"], bc["normalised_max"]) == (2, 0.4, 0.6)


def test_horizons_are_those_of_the_labels(tmp_path):
    _write(tmp_path, runs=RUNS, experts=EXPERTS)
    table = interactive.horizons_table(tmp_path)
    assert set(table["task"]) == {"cartpole"}
    table = table.set_index("horizon")
    assert table["normalised"].to_dict() == {50: 0.8, 200: 0.5}
    assert table["env_steps"].to_dict() == {50: 1000, 200: 9000}
    assert table["expert_queries"].to_dict() == {50: 1500, 200: 1500}
    assert table["seeds"].to_dict() == {50: 2, 200: 1}


def test_figures_are_drawn_where_an_expert_was_asked(tmp_path, capsys, saved):
    curves = [
        {**_run("gail", 1, 0, 0.5), "env_steps": steps, "evaluation": 100.0} for steps in (9, 99)
    ]
    _write(tmp_path, runs=[*RUNS, _run("gail", 1, 0, 0.5)], experts=EXPERTS, curves=curves)
    assert make_figures.main(["", f"--folder={tmp_path}"]) == 0
    printed = capsys.readouterr().out
    for name in ("queries", "horizons"):
        assert f"{name}.png: cartpole" in printed
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert len(pd.read_csv(tmp_path / f"{name}.csv"))
    labels = saved[1].axes[0].get_legend_handles_labels()[1]
    assert set(labels) == {"expert as sampled", "BC", "GAIL", "Forward Training", "DAgger"}


def test_tables_without_such_runs_are_refused(tmp_path):
    _write(tmp_path, runs=RUNS[:2], experts=EXPERTS)
    assert interactive.asked_tasks(tmp_path) == [] and not len(interactive.horizons_table(tmp_path))
    for draw in (interactive.plot_queries, interactive.plot_horizons):
        with pytest.raises(BadInput, match=r"runs\.csv: found no run of"):
            draw(tmp_path, tmp_path / "a.png")


def test_the_page_shows_scores_by_expert_actions_and_what_a_time_limit_costs(tmp_path):
    _write(tmp_path, runs=RUNS, experts=EXPERTS)
    blocks = "".join(f"<!-- table: {name} -->\n<!-- end -->\n" for name in ("queries", "horizons"))
    lines = report.fill(blocks, tmp_path).splitlines()
    assert lines[1] == "| task | expert actions | BC | Forward Training | DAgger |"
    assert lines[3:6] == [
        "| CartPole | 20 | 0.50 |  | 0.90 |",
        "| CartPole | 80 |  |  | 1.00 |",
        "| CartPole | 3,900 |  | 0.80 |  |",
    ]
    assert "| CartPole | 50 | 2 | 1,500 | 1 k | 7 | 0.80 |" in lines
