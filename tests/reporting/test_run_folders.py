"""Runs are compared by what they differ in, as far as they are."""

import json

import pandas as pd
import pytest
from matplotlib.figure import Figure

from mgail_tf.errors import BadInput
from mgail_tf.reporting import plots, run_folders
from tests.checks import refusal
from tests.reporting.runs import result_row, write_run

LEVELS = {"expert_return": 100.0, "random_return": 2.0}


def _run(folder, algorithm="mgail", finished=True, task="hopper", env_id="Hopper-v5", **changes):
    """Write a run's folder and read it."""
    config = {"algorithm": algorithm, "task": task, "variant": "default", "seed": 0}
    steps = {} if algorithm == "bc" else {"env_steps": 40}
    config |= {"num_trajectories": 4, **steps, **changes}
    unit = "epoch" if algorithm == "bc" else "env_steps"
    progress = [{unit: 10 * i, "return": 5.0 * i, "held_out_loss": -i} for i in range(1, 5)]
    if algorithm == "mgail":
        progress = [{**row, "evaluation": 9.0 * i} for i, row in enumerate(progress, 1)]
    row = {"algorithm": algorithm, "task": task, "env_id": env_id, "return_mean": 31.0}
    rows = [
        result_row(**row, normalised=0.3),
        result_row(**{**row, "return_mean": 29.0}, mode="stochastic"),
    ]
    write_run(folder, rows, progress if finished else progress[:2])
    (folder / "config.json").write_text(json.dumps(config))
    final = {"rows": rows, **LEVELS}
    (folder / "final.json").write_text(json.dumps(final))
    if not finished:
        (folder / "final.json").unlink()
    return run_folders.read(folder)


@pytest.fixture
def drawn(monkeypatch):
    """Return the figures that are saved."""
    figures, save = [], Figure.savefig

    def keep(figure, *arguments, **named):
        figures.append(figure)
        save(figure, *arguments, **named)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


def _legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def _line(axes, label):
    (line,) = [line for line in axes.lines if line.get_label() == label]
    return line


# -- names and the table -----------------------------------------------------------------------


def test_name_is_what_differs(tmp_path):
    same = _run(tmp_path / "a")
    assert run_folders.labels([same]) == ["MGAIL"]
    seeds = [same, _run(tmp_path / "b", seed=3)]
    assert run_folders.labels(seeds) == ["seed 0", "seed 3"]
    mixed = [same, _run(tmp_path / "c", "bc", num_trajectories=1)]
    assert run_folders.labels(mixed) == ["MGAIL, 4 trajectories", "BC, 1 trajectory"]
    twice = [same, _run(tmp_path / "d"), _run(tmp_path / "e", variant="paper")]
    assert run_folders.labels(twice) == [
        f"default ({tmp_path / 'a'})",
        f"default ({tmp_path / 'd'})",
        "paper",
    ]
    apart = [same, _run(tmp_path / "f", task="cartpole", env_id="CartPole-v1")]
    assert run_folders.labels(apart) == ["MGAIL", "MGAIL"]  # each in its own panel


def test_table_has_final_scores_and_says_what_is_unfinished(tmp_path):
    runs = [_run(tmp_path / "a"), _run(tmp_path / "b", "bc"), _run(tmp_path / "c", finished=False)]
    header, *lines = run_folders.score_lines(runs, ["first", "second", "third"])
    columns = "run environment steps deterministic stochastic normalised"
    assert header.split() == columns.split()
    assert lines[0].split() == ["first", "Hopper-v5", "40", "31.0", "29.0", "0.300"]
    assert lines[1].split() == ["second", "Hopper-v5", "-", "31.0", "29.0", "0.300"]
    assert lines[2].split("  ")[0] == "third" and lines[2].endswith("unfinished, 20 steps so far")


def test_folder_that_is_no_run_is_refused(tmp_path):
    refusal(tmp_path, run_folders.read, tmp_path)
    run = _run(tmp_path / "run")
    for name, text in (("final.json", "{"), ("final.json", "{}"), ("config.json", "[1]")):
        before = (run.path / name).read_text()
        (run.path / name).write_text(text)
        refusal(run.path, run_folders.read, run.path)
        (run.path / name).write_text(before)
    run_folders.read(run.path)
    (run.path / "progress.csv").write_bytes(b"\xff\x00")
    refusal(run.path / "progress.csv", run_folders.read, run.path)


def test_run_that_has_just_begun_is_read(tmp_path):
    run = _run(tmp_path / "run", finished=False)
    (run.path / "progress.csv").write_text("")
    assert run_folders.read(run.path).place == 0
    (run.path / "progress.csv").unlink()
    assert run_folders.read(run.path).place == 0


# -- the picture -------------------------------------------------------------------------------


def test_curves_levels_and_crosses(tmp_path, drawn):
    runs = [
        _run(tmp_path / "a"),
        _run(tmp_path / "b", "bc"),
        _run(tmp_path / "c", "gail", finished=False),
    ]
    plots.plot_runs(runs, ["one", "two", "three"], tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    (axes,) = drawn[0].axes
    names = ["one", "three (unfinished), training episodes", "two", "final policy"]
    assert _legend(axes) == [*names, "expert: 100.0", "random: 2.0"]
    assert [*_line(axes, "one").get_xdata()] == [10, 20, 30, 40]
    assert [*_line(axes, "one").get_ydata()] == [9, 18, 27, 36]
    assert [*_line(axes, names[1]).get_ydata()] == [5, 10]  # it has no evaluations
    assert [*_line(axes, "two").get_ydata()] == [31, 31]  # of cloning the final score
    crosses = [line for line in axes.lines if line.get_marker() == "x" and len(line.get_xdata())]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in crosses] == [(40, 31)]


def test_each_environment_has_a_panel_and_steps_of_other_sizes_a_logarithmic_axis(tmp_path, drawn):
    other = {"task": "cartpole", "env_id": "CartPole-v1"}
    runs = [_run(tmp_path / "a"), _run(tmp_path / "b", **other), _run(tmp_path / "c", **other)]
    longer = runs[2].progress.assign(env_steps=100 * runs[2].progress["env_steps"])
    runs[2] = runs[2]._replace(progress=longer)
    plots.plot_runs(runs, ["a", "b", "c"], tmp_path / "a.png")
    hopper, cartpole = drawn[0].axes
    assert (hopper.get_title(), cartpole.get_title()) == ("Hopper-v5", "CartPole-v1")
    assert (hopper.get_xscale(), cartpole.get_xscale()) == ("linear", "log")
    assert _legend(cartpole)[:2] == ["b", "c"]


def test_any_column_can_be_drawn_and_no_other(tmp_path, drawn):
    runs = [_run(tmp_path / "a"), _run(tmp_path / "b", "bc", env_id="CartPole-v1")]
    plots.plot_runs(runs, ["one", "two"], tmp_path / "a.png", "held_out_loss")
    (axes,) = drawn[0].axes  # what counts epochs has no place on it
    assert _legend(axes) == ["one"] and axes.get_ylabel() == "held_out_loss"
    with pytest.raises(BadInput, match=r"'loss', expected one of .*'held_out_loss'"):
        plots.plot_runs(runs, ["one", "two"], tmp_path / "b.png", "loss")
    assert not (tmp_path / "b.png").exists()


def test_diagnosis_shows_negative_losses_and_spreads_positive_ones(tmp_path, drawn):
    """Of a log-likelihood a logarithmic axis would show nothing."""
    for name, rows in {
        "bc": [{"epoch": i, "held_out_loss": 1.0 - i, "best_held_out_loss": -2} for i in (1, 2, 3)],
        "mgail": [{"env_steps": i, "value_loss": 10.0**-i, "policy_gradient": 0} for i in (1, 2)],
        "odd": [{"env_steps": i, "value_loss": 1.0 - i, "model_error": 2.0 - i} for i in (1, 2)],
    }.items():
        (tmp_path / name).mkdir()
        pd.DataFrame(rows).to_csv(tmp_path / name / "progress.csv", index=False)
        plots.diagnose(tmp_path / name, tmp_path / name / "a.png")
    scales = [{axes.get_title(): axes.get_yscale() for axes in figure.axes} for figure in drawn]
    assert scales == [
        {"negative log-likelihood of held-out pairs": "linear"},
        {"losses": "log", "gradient norms": "linear"},
        {"losses": "linear", "forward model: error": "log"},
    ]
    low, high = drawn[0].axes[0].get_ylim()
    assert low < -2 and high > 0
