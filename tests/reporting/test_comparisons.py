"""The learning curves of all tasks, and Figure 5."""

import make_figures
import numpy as np
import pandas as pd

RUN = {
    **{"task": "cartpole", "algorithm": "gail", "variant": "default", "seed": 0},
    **{"num_trajectories": 1, "subsample": 10},
}
FINAL = {"mode": "deterministic", "env_steps": 1000}
EXPERT = {"task": "cartpole", "mode": "stochastic", "random_return_mean": 0, "return_mean": 200}


def _write(folder, **tables):
    for name, rows in tables.items():
        pd.DataFrame(rows).to_csv(folder / f"{name}.csv", index=False)


def _curve(**run):
    """Return rows of curves.csv: a row without an evaluation, and four with one."""
    evaluations = (np.nan, 50.0, 100.0, 150.0, 200.0)
    return [{**RUN, **run, "env_steps": 9 + i, "evaluation": x} for i, x in enumerate(evaluations)]


def _lines(axes):
    lines = axes.get_lines()
    return {str(line.get_label()): np.asarray(line.get_ydata()) for line in lines}


def test_figure_draws_the_mean_of_the_seeds_on_the_experts_scale(tmp_path, capsys, saved):
    runs = [
        {**RUN, **FINAL, "algorithm": name, "normalised": 0.5, "demos_sha256": "a file"}
        for name in ("gail", "bc")
    ]
    _write(tmp_path, experts=[EXPERT], runs=runs, curves=[*_curve(seed=0), *_curve(seed=1)])
    assert make_figures.main(["", f"--folder={tmp_path}"]) == 0
    assert "curves.png: cartpole" in capsys.readouterr().out
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    drawn = _lines(saved[0].axes[0])
    np.testing.assert_allclose(drawn["GAIL"], [0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(drawn["BC"], 0.5)
    np.testing.assert_allclose(drawn["expert as sampled"], 1.0)


def test_curves_are_of_the_smallest_dataset_and_sizes_have_a_picture_of_their_own(
    tmp_path, capsys, saved
):
    scores = {("gail", 1): (0.5, 0.7), ("gail", 4): (0.9,), ("bc", 4): (0.2,)}
    curves = []
    final = {**RUN, **FINAL, "demos_sha256": "a file"}
    runs = [{**final, "num_trajectories": 7, "subsample": 1, "normalised": 1.0}]  # not the paper's
    for (name, count), values in scores.items():
        for seed, score in enumerate(values):
            run = {"algorithm": name, "num_trajectories": count, "seed": seed}
            runs.append({**final, **run, "normalised": score})
            curves += _curve(**run) if name == "gail" else []
    _write(tmp_path, experts=[EXPERT], runs=runs, curves=curves)
    assert make_figures.main(["", f"--folder={tmp_path}"]) == 0
    assert "datasets.png: cartpole" in capsys.readouterr().out
    assert (tmp_path / "datasets.png").read_bytes().startswith(b"\x89PNG")
    of_curves, of_sizes = (figure.axes[0] for figure in saved)
    assert "BC" not in _lines(of_curves)  # it was shown four trajectories
    np.testing.assert_allclose(_lines(of_curves)["GAIL"], [0.25, 0.5, 0.75, 1.0])
    assert set(of_sizes.get_legend_handles_labels()[1]) == {"expert as sampled", "GAIL", "BC"}
    means = {bars.get_label(): bars[0].get_xydata().tolist() for bars in of_sizes.containers}
    assert means == {"GAIL": [[1, 0.6], [4, 0.9]], "BC": [[4, 0.2]]}


def test_figure_5_compares_the_forward_models_where_all_were_run(tmp_path, capsys):
    runs, curves = [], []
    # seed 2 has one model only and does not count, and neither do other variants
    scores_of = {"default": (0.5, 0.9, 0.1), "other": (0.3,), "hadamard_gru": (0.25, 0.75)}
    for variant, scores in scores_of.items():
        for seed, score in enumerate(scores):
            run = {**RUN, "algorithm": "mgail", "variant": variant, "seed": seed}
            shown = f"{variant}'s" if seed or variant == "other" else "both models'"
            runs.append({**run, **FINAL, "normalised": score, "demos_sha256": shown})
            curves += _curve(**run)
        _write(tmp_path, experts=[EXPERT], runs=runs, curves=curves)
        assert make_figures.main(["", f"--folder={tmp_path}"]) == 0
        compared = (tmp_path / "figure5.csv").exists()
        assert compared == (variant == "hadamard_gru")
        assert ("no task has runs of several" in capsys.readouterr().out) != compared
    assert (tmp_path / "figure5.png").read_bytes().startswith(b"\x89PNG")
    table = pd.read_csv(tmp_path / "figure5.csv").set_index("model")
    assert table.loc["GRU and Hadamard product", "normalised"] == 0.5
    assert table.loc["vanilla forward model", "normalised_min"] == 0.5
    assert (table["evaluation_mean"] == 0.625).all() and (table["seeds"] == 2).all()
    assert (table["same_demonstrations"] == 1).all()
    # a third one, of seed 1 alone
    run = {**RUN, "algorithm": "mgail", "variant": "film_gru", "seed": 1}
    runs.append({**run, **FINAL, "normalised": 1.0, "demos_sha256": "film_gru's"})
    curves += _curve(**run)
    _write(tmp_path, experts=[EXPERT], runs=runs, curves=curves)
    assert make_figures.main(["", f"--folder={tmp_path}"]) == 0
    table = pd.read_csv(tmp_path / "figure5.csv").set_index("model")
    assert table["normalised"].tolist() == [0.75, 1.0, 0.9] and (table["seeds"] == 1).all()
