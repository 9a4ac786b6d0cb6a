"""The forward models are compared on episodes that none of them has learnt from."""

import pytest

from mgail_tf.networks.forward_model import FORWARD_MODELS
from mgail_tf.studies import model_comparison as study
from tests.launch.running import rows_of, run

pytestmark = pytest.mark.slow


def test_training_lowers_the_error_and_the_nearest_step_is_foreseen_best():
    (before,) = study.compare("cartpole", models=["vanilla"], steps=2000, updates=0)
    (after,) = study.compare("cartpole", models=["vanilla"], steps=2000, updates=300)
    assert after["error_1"] < 0.5 * before["error_1"]
    assert after["error_1"] < after["error_5"] < after["error_16"]


def test_episodes_to_foresee_are_others():
    learnt, foreseen = study.record("cartpole", 400, 0)
    assert sum(len(e.actions) for e in learnt) == 400
    assert sum(len(e.actions) for e in foreseen) == 40
    assert not {*learnt[0].states[:, 0]} & {*foreseen[0].states[:, 0]}


def test_script_makes_each_model_once(tmp_path, capsys):
    flags = ["--tasks=cartpole", "--smoke", f"--table={tmp_path / 'models.csv'}"]
    assert run("compare_models", *flags) == 0
    printed = capsys.readouterr().out
    rows = rows_of(tmp_path / "models.csv")
    assert [row["model"] for row in rows] == list(FORWARD_MODELS)
    assert run("compare_models", *flags) == 0
    assert capsys.readouterr().out == printed
    assert rows_of(tmp_path / "models.csv") == rows
    assert run("compare_models", "--tasks=chess") == 2
