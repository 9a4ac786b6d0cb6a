"""The simulation of a sweep on a cluster against what can be computed by hand."""

import pytest

from mgail_tf.studies.cluster_time import (
    DETECTION,
    NETWORKS,
    Job,
    Machines,
    archive_bytes,
    simulate,
)
from mgail_tf.sweeps.overview import makespan
from tests.launch.running import run


@pytest.mark.parametrize("cores", [1, 2, 3, 50])
def test_without_failures_runs_take_turns(cores):
    seconds = [900.0, 300.0, 600.0, 1200.0]
    row = simulate([Job(s) for s in seconds], Machines(cores, start=60.0))
    assert row["hours"] == pytest.approx(makespan([s + 60.0 for s in seconds], cores) / 3600.0)
    assert row["core_hours"] == pytest.approx((3000.0 + 4 * 60.0) / 3600.0)
    assert row["longest_run_hours"] == pytest.approx(1260.0 / 3600.0)
    assert row["failures"] == row["lost_core_hours"] == 0.0


def test_failures_cost_the_work_since_the_last_archive():
    jobs = [Job(36_000.0)] * 200
    often = simulate(jobs, Machines(200, failures_per_hour=1.0, bring_every=60.0))
    seldom = simulate(jobs, Machines(200, failures_per_hour=1.0, bring_every=1800.0))
    # a failure an hour: half an interval, the start and the detection are lost on the mean
    each = often["lost_core_hours"] * 3600.0 / often["failures"]
    assert each == pytest.approx(30.0 + 30.0 + DETECTION, rel=0.05)
    assert seldom["lost_core_hours"] > 5.0 * often["lost_core_hours"]
    assert often["core_hours"] == pytest.approx(
        200 * (36_030.0 / 3600.0) + often["lost_core_hours"]
    )


def test_archives_that_come_back_fill_the_wire():
    row = simulate([Job(3600.0, 72_000_000)], Machines(1, bring_every=300.0, start=0.0))
    assert row["megabytes_per_second"] == pytest.approx(12 * 36.0 / 3600.0)


def test_a_replay_buffer_grows_with_the_steps():
    assert archive_bytes("gail", "hopper", 10) == NETWORKS
    assert archive_bytes("mgail", "hopper", 1000) == NETWORKS + 1000 * (11 + 3) * 4


def test_the_campaign_of_the_paper_s_table(tmp_path, capsys):
    table = tmp_path / "cluster.csv"
    assert (
        run("estimate_cluster", "--cores=2,4096", "--seeds=bc:5,gail:3,mgail:5", f"--table={table}")
        == 0
    )
    assert capsys.readouterr().out.startswith("403 runs\n")  # 31 sizes
    assert len(table.read_text().split()) == 3
    assert run("estimate_cluster", "--seeds=trpo:1") == 2
    assert "--seeds: found 'trpo:1'" in capsys.readouterr().err
    assert run("estimate_cluster", "--cores=two") == 2
