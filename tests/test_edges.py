"""Environments that end at once, never end, or have one action train without a crash."""

import itertools
import json

import numpy as np
import pytest

from launch import collect_demos, train_bc, train_expert, train_gail, train_mgail
from mgail_tf import actor, demos, envs, imitation


@pytest.fixture
def short(monkeypatch):
    """Cut endless episodes off sooner than users' are."""
    monkeypatch.setattr(envs, "LONGEST_EPISODE", 80)


def test_endless_episodes_are_cut_off(short):
    env = envs.make("ToyEndless-v0", 0)
    assert env.spec.max_steps == 80
    env.reset()
    ends = [env.step(np.zeros(2, np.float32))[3:] for _ in range(80)]
    assert ends == [(False, False)] * 79 + [(False, True)]


def test_action_with_one_value_is_scaled_both_ways():
    env = envs.make("ToyEndless-v0", 0)
    env.reset()
    applied = env.step(np.array([0.5, -3.0], np.float32))[0]
    np.testing.assert_array_equal(applied, [1.0, 0.5])
    np.testing.assert_array_equal(env.spec.scale_actions(applied), [0.5, 0.0])


@pytest.mark.parametrize("task", ["ToyAtOnce-v0", "ToyEndless-v0"])
def test_every_algorithm_trains(tmp_path, short, task):
    def run(script, *flags):
        assert script.main([script.__name__, f"--task={task}", "--smoke", *flags]) == 0

    expert, npz = tmp_path / "expert", tmp_path / "demos.npz"
    run(train_expert, f"--out={expert}")
    run(collect_demos, f"--policy={expert}/policy.npz", f"--out={npz}")
    spec = envs.make(task, 0).spec
    lengths = [len(e.actions) for e in demos.load(npz, spec).episodes]
    assert lengths == [1 if task == "ToyAtOnce-v0" else spec.max_steps]
    others = [train_bc, train_gail] if task == "ToyAtOnce-v0" else []  # GAIL steps as TRPO does
    for script in (train_mgail, *others):
        out = tmp_path / script.__name__
        run(script, f"--demos={npz}", f"--out={out}")
        rows = json.loads((out / "final.json").read_text())["rows"]
        assert [row["length_mean"] for row in rows] == [lengths[0]] * 2
        assert all(np.isfinite(w).all() for w in actor.load(out / "policy.npz", spec).weights)


@pytest.mark.parametrize("budget", [10, 997, 12_347, 33_098])
def test_every_budget_has_ten_evaluations(budget):
    tenths = [imitation._tenths(steps, budget) for steps in range(budget + 1)]
    assert sum(after > before for before, after in itertools.pairwise(tenths)) == 10
