"""How far a sweep is, and how long it is expected to take."""

import time
from pathlib import Path

import pytest

from mgail_tf.sweeps.overview import Durations, Overview, makespan, shortest_first, span
from mgail_tf.sweeps.runs import Run


def run(algorithm="mgail", task="hopper", seed=0, steps=100):
    described = {"env_steps": steps} if steps else {}
    return Run(algorithm, task, "default", None, seed, Path(f"no/{seed}"), (), described)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(
        "algorithm,task,mode,env_steps,wall_seconds\n"
        "mgail,hopper,deterministic,100,60\n"
        "mgail,hopper,stochastic,100,1\n"
        "mgail,hopper,deterministic,200,120\n"
        "mgail,ant,deterministic,100,300\n"
        "bc,ant,deterministic,0,5\n"
    )
    return path


@pytest.mark.parametrize(
    ("seconds", "slots", "whole"),
    [([], 2, 0.0), ([3, 1, 1], 1, 5.0), ([3, 1, 1], 2, 3.0), ([1, 1, 3], 2, 4.0), ([2], 9, 2.0)],
)
def test_workers_take_runs_in_order(seconds, slots, whole):
    assert makespan(seconds, slots) == whole


def test_a_run_is_expected_to_take_what_those_most_like_it_took(table):
    known = Durations(table)
    assert known.expected(run()) == 60.0
    assert known.expected(run(steps=200)) == 120.0
    assert known.expected(run(steps=300)) == 90.0  # the task's median
    assert known.expected(run(task="walker2d")) == 120.0  # the algorithm's
    assert known.expected(run("bc", steps=0)) == 5.0
    assert known.expected(run("gail")) is None
    known.add(run(), 10.0)
    known.add(run(), 14.0)
    assert known.expected(run()) == 12.0  # this machine's come first
    assert Durations(table.with_name("none.csv")).expected(run()) is None


def test_shortest_first_puts_the_unknown_last(table):
    runs = [run("gail"), run(task="ant"), run(), run("bc", "ant", steps=0)]
    ordered = shortest_first(runs, Durations(table))
    assert [(r.algorithm, r.task) for r in ordered] == [
        *(("bc", "ant"), ("mgail", "hopper"), ("mgail", "ant"), ("gail", "hopper")),
    ]


def test_the_time_left_follows_the_speed_of_what_runs_and_what_is_known(table):
    runs = [run(seed=seed) for seed in range(3)]
    state = Overview(runs, Durations(table))
    assert state.left(1) == 180.0 and state.left(3) == 60.0
    state.begun(runs[0], "core 0")
    assert state.left(1) == 180.0
    state.at(runs[0], 50, 10.0)  # half of it in 10 s
    assert state.left(1) == 10.0 + 120.0
    shown = state.table(1).split("\n")
    assert shown[0].split() == ["run", "where", "at", "of", "time", "left"]
    assert shown[1].split("  ")[0] == str(runs[0]) and "50" in shown[1] and "core 0" in shown[1]
    assert shown[2] == "0 finished, 0 failed, 1 running, 2 waiting; time left 2 min"
    state.ended(runs[0], True)
    state.ended(runs[1], False)
    assert state.table(1) == "1 finished, 1 failed, 0 running, 1 waiting; time left under a minute"


def test_only_runs_that_were_seen_whole_say_how_long_they_take(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    known = Durations()
    runs = [run(seed=seed) for seed in range(3)]
    state = Overview(runs, known)
    assert state.left(1) is None and "time left unknown" in state.table(1)
    for seconds, (each, twice) in enumerate([(runs[0], True), (runs[1], False)], 7):
        state.begun(each, "here")
        if twice:  # its machine was lost
            state.begun(each, "there")
        clock[0] += seconds
        state.ended(each, True)
    assert known.expected(runs[2]) == 8.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "unknown"), (29, "under a minute"), (90, "2 min"), (7500, "2 h 05 min")],
)
def test_times_are_said_in_words(seconds, text):
    assert span(seconds) == text
