"""Learning curves: what is kept of a run, and the picture of all tasks."""

import numpy as np
import pandas as pd
import pytest

from launch import make_figures
from mgail_tf import comparisons, figures

RUN = {"task": "cartpole", "algorithm": "gail", "variant": "default", "seed": 0}
FINAL = {"mode": "deterministic", "env_steps": 1000}


@pytest.fixture
def progress(tmp_path):
    steps = np.arange(10, 1010, 10)
    evaluation = np.where(steps % 250 == 0, steps / 5.0, np.nan)
    path = tmp_path / "progress.csv"
    data = {"env_steps": steps, "kl": 0.01, "return": steps / 10.0, "evaluation": evaluation}
    pd.DataFrame(data).to_csv(path, index=False)
    return path


def test_curve_keeps_every_evaluation_and_the_mean_return_of_each_stretch(progress):
    kept = figures.curve(progress)
    assert kept["env_steps"].iloc[0] == 30 and kept["env_steps"].iloc[-1] == 1000
    assert 34 <= len(kept) <= 38  # 100 rows, one in 3, and 4 evaluations
    assert kept["return"].iloc[0] == 2.0  # of 1, 2 and 3
    at = kept.dropna(subset=["evaluation"]).set_index("env_steps")["evaluation"]
    assert at.to_dict() == {250: 50.0, 500: 100.0, 750: 150.0, 1000: 200.0}


def test_curve_is_kept_once(progress, tmp_path):
    table = tmp_path / "curves.csv"
    for _ in range(2):  # a run that was killed while it finished, finishes again
        figures.keep_curve(progress, RUN, table)
    found = pd.read_csv(table)
    assert len(found) == len(figures.curve(progress))
    assert found["evaluation"].notna().sum() == 4
    assert list(found.columns) == [*RUN, "env_steps", "return", "evaluation"]


def test_figure_draws_the_mean_of_the_seeds_on_the_experts_scale(
    progress, tmp_path, capsys, monkeypatch
):
    for seed in (0, 1):
        figures.keep_curve(progress, {**RUN, "seed": seed}, tmp_path / "curves.csv")
    flags = ["figures", f"--folder={tmp_path}"]
    assert make_figures.main(flags) == 2
    assert "experts.csv: no such file" in capsys.readouterr().err
    expert = {"task": "cartpole", "mode": "stochastic", "random_return_mean": 0, "return_mean": 200}
    pd.DataFrame([expert]).to_csv(tmp_path / "experts.csv", index=False)
    runs = [
        {**RUN, **FINAL, "algorithm": name, "normalised": 0.5, "demos_sha256": "a file"}
        for name in ("gail", "bc")
    ]
    pd.DataFrame(runs).to_csv(tmp_path / "runs.csv", index=False)
    drawn = {}

    def keep(axes, scores, final, lines):
        original(axes, scores, final, lines)
        lines = [(line.get_label(), line.get_ydata()) for line in axes.get_lines()]
        drawn.update({str(label): np.asarray(y) for label, y in lines})

    original = comparisons._draw_task
    monkeypatch.setattr(comparisons, "_draw_task", keep)
    assert make_figures.main(flags) == 0
    assert "curves.png: cartpole" in capsys.readouterr().out
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    np.testing.assert_allclose(drawn["GAIL"], [0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(drawn["BC"], 0.5)
    np.testing.assert_allclose(drawn["expert as sampled"], 1.0)


def test_figure_5_compares_the_forward_models_where_both_were_run(progress, tmp_path, capsys):
    expert = {"task": "cartpole", "mode": "stochastic", "random_return_mean": 0, "return_mean": 200}
    pd.DataFrame([expert]).to_csv(tmp_path / "experts.csv", index=False)
    runs = []
    # seed 2 has one model only and does not count, and neither do other variants
    scores_of = {"default": (0.5, 0.9, 0.1), "other": (0.3,), "hadamard_gru": (0.25, 0.75)}
    for variant, scores in scores_of.items():
        for seed, score in enumerate(scores):
            run = {**RUN, "algorithm": "mgail", "variant": variant, "seed": seed}
            figures.keep_curve(progress, run, tmp_path / "curves.csv")
            shown = f"{variant}'s" if seed or variant == "other" else "both models'"
            runs.append({**run, **FINAL, "normalised": score, "demos_sha256": shown})
        pd.DataFrame(runs).to_csv(tmp_path / "runs.csv", index=False)
        assert make_figures.main(["figures", f"--folder={tmp_path}"]) == 0
        printed = capsys.readouterr().out
        assert ("no task has runs of both" in printed) == (variant != "hadamard_gru")
    assert (tmp_path / "figure5.png").read_bytes().startswith(b"\x89PNG")
    table = pd.read_csv(tmp_path / "figure5.csv").set_index("model")
    assert table.loc["GRU and Hadamard product", "normalised"] == 0.5
    assert table.loc["vanilla forward model", "normalised_min"] == 0.5
    assert (table["evaluation_mean"] == 0.625).all() and (table["seeds"] == 2).all()
    assert (table["same_demonstrations"] == 1).all()
