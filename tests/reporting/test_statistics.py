"""Statistics over cells against values computed by hand or by scipy alone."""

import functools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mgail_tf.reporting import aggregates, statistics
from tests.reporting.runs import result_row

A, B = np.array([0.0, 1.0, 2.0]), np.array([5.0])


def test_aggregates_by_hand():
    assert aggregates.mean(A, B) == 3.0  # each cell weighs the same
    assert aggregates.interquartile_mean(np.array([0.0, 1.0, 2.0, 9.0])) == 1.5
    # by weight the 0, 1 and 2 are a sixth each, and the 5 is a half: a quarter goes at each end
    middle = (2 / 6 - 1 / 4) * 1.0 + (1 / 6) * 2.0 + (1 / 4) * 5.0
    assert aggregates.interquartile_mean(A, B) == pytest.approx(2 * middle)
    # only the 0 falls short, by 1: a third of one of two cells
    assert aggregates.optimality_gap(A, B) == pytest.approx(1 / 6)


def test_with_equal_seeds_the_middle_half_is_that_of_all_runs():
    cells = [np.random.default_rng(seed).normal(size=4) for seed in range(3)]
    trimmed = stats.trim_mean(np.concatenate(cells), 0.25)
    assert aggregates.interquartile_mean(*cells) == pytest.approx(trimmed)


def test_probability_of_improvement_by_hand():
    first = np.array([1.0, 2.0]), np.array([1.0])
    second = np.array([1.0, 0.0, 3.0]), np.array([2.0])
    # 1: ties once, wins once, loses once; 2: wins twice, loses once; the other cell is lost
    assert aggregates.probability_of_improvement(*first, *second) == pytest.approx(
        ((0.5 + 1.0) / 3 + 2.0 / 3) / 2 / 2
    )


@pytest.mark.parametrize(
    "statistic", [aggregates.mean, aggregates.interquartile_mean, aggregates.optimality_gap]
)
def test_statistics_of_many_draws_are_those_of_each(statistic):
    rng = np.random.default_rng(0)
    cells = [rng.normal(1.0, 1.0, (7, n)) for n in (3, 5, 1)]
    each = [statistic(*(cell[i] for cell in cells)) for i in range(7)]
    assert statistic(*cells) == pytest.approx(each)


def test_bootstrap_draws_seeds_within_their_cell():
    # between cells there is all the difference, within them none
    value, low, high = aggregates.with_interval(aggregates.mean, [np.full(4, 0.0), np.full(4, 1.0)])
    assert (value, low, high) == (0.5, 0.5, 0.5)
    rng = np.random.default_rng(1)
    cells = [rng.normal(size=10) for _ in range(20)]
    found = aggregates.with_interval(aggregates.mean, cells)
    drawn = stats.bootstrap(
        cells, aggregates.mean, method="percentile", rng=2, n_resamples=aggregates.RESAMPLES
    )
    assert found[1:] == pytest.approx(drawn.confidence_interval, abs=0.01)
    assert math.isnan(aggregates.with_interval(aggregates.mean, [B, B])[1])


def test_signed_ranks_by_hand():
    # differences 1, 2, -3, 4 and a tie: ranks 1, 2, 4 of 10 are in favour
    first = np.array([2.0, 4.0, 0.0, 8.0, 5.0])
    second = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    test = aggregates.signed_rank(first, second)
    assert test["ties"] == 1 and test["value"] == 1.0
    assert test["effect_size"] == pytest.approx(0.4)
    # of 16 signings, 5 have a sum of at least 7: {4, 3}, {4, 3, 1}, {4, 3, 2}, all, {4, 2, 1}
    assert test["p_first_greater"] == pytest.approx(5 / 16)
    assert test["p_two_sided"] == pytest.approx(10 / 16)
    same = aggregates.signed_rank(first, first)
    assert (same["ties"], same["p_two_sided"], same["effect_size"]) == (5, 1.0, 0.0)


def test_rows_compare_what_both_have(tmp_path):
    def run(algorithm, count, seed, score):
        named = {"algorithm": algorithm, "num_trajectories": count, "seed": seed}
        return result_row(**named, normalised=score)

    rows = [run("mgail", 4, s, 1.0) for s in range(3)] + [run("mgail", 11, 0, 0.9)]
    rows += [run("gail", 4, 0, 0.5), run("gail", 4, 7, 0.6)]
    rows += [run("bc", 4, 0, 0.3), run("bc", 18, 0, 0.1)]
    pd.DataFrame(rows).to_csv(tmp_path / "runs.csv", index=False)
    found = statistics.statistics(tmp_path)
    table = {(r["statistic"], r["first"], r["second"], r["mode"]): r for r in found}
    # of the one cell that all three have
    alone = table["mean", "mgail", "", "deterministic"]
    assert (alone["value"], alone["cells"], alone["runs"]) == ("1", 1, 3)
    assert table["mean", "bc", "", "deterministic"]["value"] == "0.3"
    chance = table["probability_of_improvement", "mgail", "gail", "deterministic"]
    assert (chance["cells"], chance["runs"], chance["value"]) == (1, 5, "1")
    seeds = table["signed_rank_of_seeds", "mgail", "gail", "deterministic"]
    assert (seeds["pairs"], seeds["value"]) == (1, "0.5")  # seed 0 alone
    # the paper's claim, p < 0.05, of its own numbers
    assert float(table["signed_rank_of_cells", "mgail", "gail", "as printed"]["p_two_sided"]) < 1e-5
    pd.DataFrame(found).to_csv(tmp_path / "statistics.csv", index=False)
    assert statistics.plot(tmp_path, tmp_path / "a.png") == ["bc", "gail", "mgail"]


def test_tasks_are_compared_by_the_mean_of_their_cells(tmp_path):
    scores = {"mgail": {4: 1.0, 11: 0.8, 18: 0.9}, "gail": {4: 0.5, 11: 0.9}}
    rows = [
        result_row(algorithm=name, num_trajectories=count, seed=0, normalised=score)
        for name, cells in scores.items()
        for count, score in cells.items()
    ]
    rows.append(result_row(algorithm="mgail", task="ant", seed=0, normalised=1.0))
    rows.append(result_row(algorithm="gail", task="ant", seed=0, normalised=1.3))
    pd.DataFrame(rows).to_csv(tmp_path / "runs.csv", index=False)
    found = statistics.statistics(tmp_path)
    table = {r["statistic"]: r for r in found if r["mode"] == "deterministic"}
    of_tasks, of_cells = (table[f"signed_rank_of_{over}"] for over in ("tasks", "cells"))
    assert (of_tasks["pairs"], of_cells["pairs"]) == (2, 3)
    assert float(of_tasks["value"]) == pytest.approx((0.2 - 0.3) / 2)  # 0.9 and 0.7; 1 and 1.3
    assert float(of_cells["value"]) == pytest.approx(-0.1)  # of 0.5, -0.1 and -0.3


def test_profile_falls_from_all_runs_to_none():
    levels = np.array([-1.0, 0.5, 3.0, 6.0])
    statistic = functools.partial(aggregates.profile, levels=levels)
    share, low, high = aggregates.with_interval(statistic, [A, B])
    # a cell weighs a half, whatever its seeds
    np.testing.assert_allclose(share, [1.0, 5 / 6, 0.5, 0.0])
    assert (low <= share).all() and (share <= high).all()
