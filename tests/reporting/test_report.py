"""The tables in README.md and docs/ are what the CSVs say; a number there changes them."""

import math
import shutil

import pandas as pd
import pytest
from make_docs import PAGES, ROOT

from mgail_tf.config.tasks import TASKS
from mgail_tf.errors import BadInput
from mgail_tf.reporting import report

RESULTS = ROOT / "results"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_is_current(page):
    assert report.fill(page.read_text(), RESULTS) == page.read_text(), "say: make report"


def test_every_table_stands_on_some_page():
    text = "".join(page.read_text() for page in PAGES)
    assert {name for name in report.TABLES if f"<!-- table: {name} -->" in text} == set(
        report.TABLES
    )


def test_summary_has_every_task_and_the_means_of_the_rows(tmp_path):
    for name in ("runs.csv", "experts.csv"):
        shutil.copy(RESULTS / name, tmp_path)
    runs = pd.read_csv(tmp_path / "runs.csv")
    ours = (runs["task"] == "hopper") & (runs["algorithm"] == "mgail")
    runs.loc[ours, "normalised"] = 0.25
    runs.to_csv(tmp_path / "runs.csv", index=False)
    page = report.fill("a\n<!-- table: summary -->\nold\n<!-- end -->\nb\n", tmp_path)
    assert page.startswith("a\n<!-- table: summary -->\n| task |") and page.endswith("-->\nb\n")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| ")][2:]
    assert [row[0].strip("| ") for row in rows] == [
        task.env_id.split("-")[0] for task in TASKS.values()
    ]
    hopper = next(row for row in rows if "Hopper" in row[0])
    bc = runs[(runs["task"] == "hopper") & (runs["algorithm"] == "bc")]
    bc = bc[(bc["mode"] == "deterministic") & (bc["variant"] == "default")]
    assert hopper[5] == "**0.25**" and hopper[3] == f"{bc['normalised'].mean():.2f}"


def test_what_was_not_run_is_an_empty_cell(tmp_path):
    for name in ("runs.csv", "experts.csv"):
        shutil.copy(RESULTS / name, tmp_path)
    runs = pd.read_csv(tmp_path / "runs.csv")
    runs[(runs["task"] != "hopper") | (runs["algorithm"] != "gail")].to_csv(
        tmp_path / "runs.csv", index=False
    )
    tables = {
        name: report.fill(f"<!-- table: {name} -->\n<!-- end -->\n", tmp_path)
        for name in ("summary", "scores")
    }
    assert not any("nan" in page for page in tables.values())
    hopper = next(row for row in tables["summary"].splitlines() if row.startswith("| Hopper"))
    assert hopper.split(" | ")[4] == "" and hopper.endswith("| 50 k |  |")
    after = tables["scores"].split("| Hopper |")[1].split("| Walker2d |")[0]
    assert "|  | BC |" in after and "|  | GAIL |" not in after


def test_effects_are_means_over_seeds_of_each_quarter_of_a_run(tmp_path):
    run = {"algorithm": "mgail", "variant": "default", "num_trajectories": 4, "task": "hopper"}
    points = [
        {**run, "seed": seed, "env_steps": 100 * k, "action_share": (k + seed) / 100.0}
        for seed in (0, 1)
        for k in range(1, 9)  # two points a quarter
    ]
    others = [{**points[0], "algorithm": "gail", "seed": 7}, {**points[0], "variant": "paper"}]
    pd.DataFrame(points + others).to_csv(tmp_path / "curves.csv", index=False)
    page = report.fill("<!-- table: effects -->\n<!-- end -->\n", tmp_path)
    assert "| Hopper | 2 | 0.02 | 0.04 | 0.06 | 0.08 |" in page
    assert "| Ant | 0 |  |  |  |  |" in page


def test_unknown_table_is_refused(tmp_path):
    with pytest.raises(BadInput, match="nosuch"):
        report.fill("<!-- table: nosuch -->\n<!-- end -->", tmp_path)


def test_practice_has_a_row_for_each_task_and_number_of_trajectories(tmp_path):
    run = {"task": "reacher", "mode": "deterministic", "num_trajectories": 5, "env_steps": 0}
    run["success_rate"] = math.nan
    ours = {**run, "algorithm": "mgail", "env_steps": 20_000}
    rows = [
        {**run, "algorithm": "bc", "seed": 0, "normalised": 0.5},
        {**ours, "seed": 0, "normalised": 0.75},
        {**ours, "seed": 1, "normalised": 1.0},
        {**ours, "seed": 1, "normalised": 0.0, "mode": "stochastic"},
        {**ours, "seed": 0, "normalised": 0.9, "num_trajectories": 50, "success_rate": 0.94},
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "practice.csv", index=False)
    page = report.fill("<!-- table: practice -->\n<!-- end -->\n", tmp_path)
    assert page.splitlines()[1:-1] == [
        "| task | shown | seeds | MGAIL's steps | BC | MGAIL | BC: success | MGAIL: success |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        "| reacher | 5 | 0-1 | 20 k | 0.50 | 0.88 (0.75 to 1.00) |  |  |",
        "| reacher | 50 | 0 | 20 k |  | 0.90 |  | 94% |",
    ]


def test_restarts_stand_beside_the_defaults_of_the_same_seeds(tmp_path):
    run = {"task": "hopper", "algorithm": "mgail", "num_trajectories": 4, "subsample": 20}
    run |= {"mode": "deterministic"}
    restarted = {**run, "variant": report.RESTARTS}
    rows = [
        {**restarted, "seed": 1, "normalised": 0.25},
        {**restarted, "seed": 0, "normalised": 0.5},
        {**restarted, "seed": 0, "normalised": 0.0, "mode": "stochastic"},
        {**run, "variant": "default", "seed": 0, "normalised": 0.75},
        {**run, "variant": "default", "seed": 2, "normalised": 1.0},  # never restarted
        {**run, "variant": "default", "seed": 0, "normalised": 0.8, "num_trajectories": 11},
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "runs.csv", index=False)
    page = report.fill("<!-- table: restarts -->\n<!-- end -->\n", tmp_path)
    assert page.splitlines()[1:-1] == [
        "| task | learning rates | every seed, normalised | as sampled |",
        "| --- | --- | --- | --- |",
        "| Hopper | fall linearly | 0.75 |  |",
        "| Hopper | cosine with restarts | 0.50 0.25 | 0.00 |",
    ]
