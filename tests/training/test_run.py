"""The driver: when it evaluates, and that environments at the edges train with every algorithm."""

import functools
import itertools
import json
import math
from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest

import mgail_tf as mg
from mgail_tf.envs import gym_env
from mgail_tf.training import run
from tests import toys
from tests.test_api import CONFIGS


@pytest.mark.parametrize("budget", [10, 997, 12_347, 33_098])
def test_every_budget_has_ten_evaluations(monkeypatch, tmp_path, budget):
    score = SimpleNamespace(return_mean=1.0, length_mean=2.0)
    monkeypatch.setattr(run, "evaluate", lambda *_, **__: score)
    agent = SimpleNamespace(
        unit="env_steps",
        env="cartpole",
        policy=SimpleNamespace(save_whole=lambda path: path.touch()),
        diagnostic_columns=("open_loop_1",),
        diagnose=lambda episodes: {"open_loop_1": 0.5},
    )
    evaluations = run._Evaluations(agent, budget, tmp_path / "policies", None)
    found = [evaluations.after(*pair) for pair in itertools.pairwise(range(budget + 1))]
    due = [columns for columns, _ in found if not math.isnan(columns["evaluation"])]
    assert due == [{"evaluation": 1.0, "open_loop_1": 0.5}] * 10
    assert not math.isnan(found[-1][0]["evaluation"])
    assert sum(steps for _, steps in found) == 10 * run.EVALUATION_EPISODES * 2.0
    written = sorted(
        int(path.stem.removeprefix("step_")) for path in (tmp_path / "policies").iterdir()
    )
    expected = [i for i, (row, _) in enumerate(found, 1) if not math.isnan(row["evaluation"])]
    assert written == expected


# -- held-out demonstrations, and the policy that is kept ----------------------------------------


@pytest.fixture(scope="module")
def matched(tmp_path_factory):
    """A short MGAIL run with held-out demonstrations, which may keep a cloned policy."""
    folder = tmp_path_factory.mktemp("matched") / "run"
    demos = toys.linear_demonstrations()
    learnt, held_out = demos.sample(3, seed=0), demos.held_out(2, seed=0)
    clone = mg.BC(toys.linear(), learnt, mg.BCConfig(max_epochs=300)).learn().policy
    agent = mg.MGAIL(toys.linear(), learnt, CONFIGS["mgail"])
    options = {"held_out": held_out, "keep": "best_match", "candidates": {"cloned": clone}}
    agent.learn(200, folder, episodes=2, **options)
    return folder, clone, options


@pytest.mark.slow
def test_match_with_held_out_demonstrations_is_measured_on_the_way(matched):
    rows = (matched[0] / "progress.csv").read_text().splitlines()
    names = rows[0].split(",")
    for name in ("match_distance", "match_accuracy"):
        values = [float(row.split(",")[names.index(name)]) for row in rows[1:]]
        assert all(0.0 <= value <= 1.5 for value in values)  # a tenth is over in every update


@pytest.mark.slow
def test_the_policy_that_matches_best_is_kept_and_said(matched):
    folder, clone, _ = matched
    final = json.loads((folder / "final.json").read_text())
    assert (
        final["kept"] == "cloned" == min(final["match_distances"], key=final["match_distances"].get)
    )
    assert {"final", "step_130", "step_200", "cloned"} <= {*final["match_distances"]}
    assert final["match"]["against"] == "held-out demonstrations"
    assert final["match"]["policy"]["distance"] < final["match"]["random"]["distance"]
    assert {row["variant"] for row in final["rows"]} == {"default+best_match"}
    kept = mg.NumpyPolicy.load(folder / "policy.npz", clone.spec)
    np.testing.assert_equal(kept.weights, clone.weights)
    text = mg.verdict(folder)
    assert "kept is cloned" in text and "held-out demonstrations" in text


@pytest.mark.slow
def test_a_finished_run_with_other_held_out_demonstrations_is_another(matched):
    folder, clone, options = matched
    learnt = toys.linear_demonstrations().sample(3, seed=0)
    agent = mg.MGAIL(toys.linear(), learnt, CONFIGS["mgail"])
    agent.learn(200, folder, episodes=2, resume=True, **options)
    np.testing.assert_equal(agent.policy.weights, clone.weights)
    for change, named in (
        ({"held_out": None}, "held_out_sha256"),
        ({"keep": "final"}, "variant"),
    ):
        with pytest.raises(mg.BadInput, match=named):
            agent.learn(200, folder, episodes=2, resume=True, **options | change)


def test_a_policy_cannot_be_kept_by_a_match_with_nothing(tmp_path):
    agent = mg.TRPO(toys.linear(), CONFIGS["trpo"])
    with pytest.raises(mg.BadInput, match=r"^keep: found 'best_match', expected demonstrations"):
        agent.learn(240, tmp_path / "run", keep="best_match")
    with pytest.raises(mg.BadInput, match=r"^keep: found 'best', expected"):
        agent.learn(240, tmp_path / "run", keep="best")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_an_interrupted_run_leaves_the_policy_so_far(tmp_path, monkeypatch):
    agent = mg.TRPO(toys.linear(), CONFIGS["trpo"])
    iterate = agent.iterate

    def interrupted(total):
        for count, metrics in iterate(total):
            yield count, metrics
            raise KeyboardInterrupt

    monkeypatch.setattr(agent, "iterate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        agent.learn(240, tmp_path / "run")
    found = mg.NumpyPolicy.load(tmp_path / "run" / "policy.npz", agent.spec)
    np.testing.assert_equal(found.weights, agent.policy.weights)


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", CONFIGS)
@pytest.mark.parametrize("task", ["ToyAtOnce-v0", "ToyEndless-v0"])
def test_episodes_that_end_at_once_or_never_train(tmp_path, monkeypatch, task, algorithm):
    """One has a single action; the other's second component has but one value."""
    monkeypatch.setattr(gym_env, "LONGEST_EPISODE", 80)  # users' are cut off later
    spec = mg.make(task, 0).spec
    shown = toys.rolled_out(task, toys.Random(spec), 1)
    length = 1 if task == "ToyAtOnce-v0" else 80
    assert tuple(shown.lengths) == (length,)
    given = (task,) if algorithm == "trpo" else (task, shown.for_spec(spec))
    agent = getattr(mg, algorithm.upper())(*given, CONFIGS[algorithm])
    total = () if algorithm == "bc" else (200,)
    agent.learn(*total, tmp_path / "run", episodes=1)
    rows = json.loads((tmp_path / "run" / "final.json").read_text())["rows"]
    assert [row["length_mean"] for row in rows] == [length] * 2
    assert all(np.isfinite(w).all() for w in agent.policy.weights)


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["bc", "trpo"])
def test_a_training_without_a_folder_stops_at_numbers_that_are_not_finite(algorithm):
    if algorithm == "bc":
        config = mg.BCConfig(learning_rate=1e38, max_epochs=50)
        agent = mg.BC(toys.linear(), toys.linear_demonstrations(), config)
        learn = agent.learn
    else:
        config = mg.TRPOConfig(batch_steps=100, value_learning_rate=1e38, compile="graph")
        learn = functools.partial(mg.TRPO(toys.linear(), config).learn, 600)
    with pytest.raises(mg.Diverged):
        learn()


@pytest.mark.slow
def test_an_agent_that_has_read_a_finished_run_goes_on_with_its_own_policy(tmp_path):
    options = {"resume": True, "keep_checkpoint": True, "episodes": 1}
    mg.TRPO(toys.linear(), CONFIGS["trpo"]).learn(200, tmp_path / "run", **options)
    agent = mg.TRPO(toys.linear(), CONFIGS["trpo"]).learn(200, tmp_path / "run", **options)
    read = agent.policy
    other = mg.TRPO(toys.linear(), CONFIGS["trpo"])
    other.save(tmp_path / "other.npz")
    agent.restore(tmp_path / "other.npz")
    assert np.array_equal(agent.policy.weights[0], other.policy.weights[0])
    with pytest.warns(UserWarning, match="begun for 200 steps, goes on to 400"):
        agent.learn(400, tmp_path / "run", **options)
    assert not np.array_equal(agent.policy.weights[0], read.weights[0])
    saved = mg.NumpyPolicy.load(tmp_path / "run/policy.npz", agent.spec)
    np.testing.assert_array_equal(saved.weights[0], agent.policy.weights[0])


def test_other_pairs_of_the_same_file_are_another_run(tmp_path):
    demos = toys.linear_demonstrations()
    config = mg.BCConfig(max_epochs=2)
    for seed in (7, 8):
        agent = mg.BC(toys.linear(), demos.sample(3, every=4, seed=seed), config)
        options = {"resume": True, "episodes": 1}
        if seed == 7:
            agent.learn(tmp_path / "run", **options)
        else:
            with pytest.raises(mg.BadInput, match="pairs_sha256"):
                agent.learn(tmp_path / "run", **options)


def test_what_needs_a_folder_is_refused_without_one():
    demos = toys.linear_demonstrations()
    agent = mg.BC(toys.linear(), demos.sample(3), CONFIGS["bc"])
    for option in ({"resume": True}, {"keep_checkpoint": True}, {"held_out": demos.held_out(2)}):
        with pytest.raises(mg.BadInput, match=f"^{next(iter(option))}: found no run_dir"):
            agent.learn(**option)


def test_held_out_episodes_that_are_learnt_from_give_a_warning(tmp_path):
    demos = toys.linear_demonstrations()
    agent = mg.BC(toys.linear(), demos.sample(3, seed=0), CONFIGS["bc"], seed=np.arange(2)[1])
    with pytest.warns(UserWarning, match="held_out: 2 of its 2 episodes are learnt from"):
        agent.learn(tmp_path / "run", held_out=demos.sample(2, seed=0), episodes=1)
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["seed"] == 1  # a NumPy integer is one
    assert config["max_steps"] == 50  # of an environment that is none of the paper's


def test_a_scale_that_changes_from_episode_to_episode_gives_a_warning():
    env = gymnasium.wrappers.NormalizeObservation(toys.linear())
    agent = mg.TRPO(env, CONFIGS["trpo"])
    with pytest.warns(UserWarning, match="NormalizeObservation: found a scale that changes"):
        agent.learn(200)


def test_no_evaluation_episode_is_refused_before_the_training(tmp_path):
    agent = mg.BC(toys.linear(), toys.linear_demonstrations(), mg.BCConfig(max_epochs=2))
    with pytest.raises(mg.BadInput, match="episodes: found 0"):
        agent.learn(tmp_path / "run", episodes=0)
    assert not (tmp_path / "run").exists()
