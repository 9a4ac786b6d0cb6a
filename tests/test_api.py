"""The public API: lazy names, and the four algorithms on an environment that is only an object."""

import dataclasses
import json
import math
import operator
import subprocess
import sys
import warnings

import numpy as np
import pytest
from gymnasium.wrappers import TimeLimit

import mgail_tf as mg
from tests import toys

LIGHT = [
    "Demonstrations",
    "evaluate",
    "make",
    "NumpyPolicy",
    "expert_demonstrations",
    "record",
    "TASKS",
]
LIGHT += ["for_task", "override", "BadInput", "BCConfig", "TRPOConfig", "GAILConfig", "MGAILConfig"]
LIGHT += ["DAggerConfig", "ForwardTrainingConfig", "SMILeConfig", "load_policy", "MixturePolicy"]

CONFIGS = {
    "bc": mg.BCConfig(hidden=(8,), max_epochs=6),
    "trpo": mg.TRPOConfig(
        batch_steps=(60,), hidden=(8,), value_epochs=1, cg_iterations=3, compile="graph"
    ),
    "gail": mg.GAILConfig(
        batch_steps=(60,),
        hidden=(8,),
        value_epochs=1,
        cg_iterations=3,
        discriminator_hidden=(8,),
        discriminator_steps=2,
        compile="graph",
    ),
    "mgail": mg.MGAILConfig(
        prefill_steps=130,
        updates_per_call=2,
        updates_per_step=0.1,
        policy_hidden=(8,),
        model_units=8,
        discriminator_hidden=(8,),
        horizon=2,
        sequence_length=2,
        model_noise=1.0,
        cloning_bound=None,  # no clone is fitted, which takes seconds
        clone_share=0.0,
        log_std=(-1.2, -2.3),
        compile="graph",
    ),
}
PLACES = {  # what `iterate` counts, after every update of the whole run
    "bc": [1, 2, 3, 4, 5, 6],
    "trpo": [120, 180, 240],
    "gail": [120, 180, 240],
    "mgail": [130, 150, 170, 190, 200],
}
MIDWAY = 2  # updates

pytestmark = pytest.mark.slow


@pytest.fixture(params=CONFIGS)
def algorithm(request):
    return request.param


@pytest.fixture(scope="module")
def shown():
    """One trajectory of the linear expert, as a user would bring it: arrays and nothing else."""
    whole = toys.linear_demonstrations()
    states, actions = np.split(whole.states, 5), np.split(whole.actions, 5)
    return mg.Demonstrations.from_arrays(states[:1], actions[:1], terminated=[False])


def _agent(algorithm, shown, env, seed=0, **changes):
    config = dataclasses.replace(CONFIGS[algorithm], **changes)
    if algorithm == "trpo":
        return mg.TRPO(env, config, seed)
    return getattr(mg, algorithm.upper())(env, shown, config, seed)


def _learn(agent, run_dir=None, **options):
    """Run all of an agent's budget."""
    if agent.algorithm == "bc":
        return agent.learn(run_dir, **options)
    return agent.learn(PLACES[agent.algorithm][-1], run_dir, **options)


def _assert_same_policy(found, expected):
    np.testing.assert_equal(found.weights, expected.weights)
    np.testing.assert_equal(found.log_std, expected.log_std)
    np.testing.assert_equal(found.normaliser, expected.normaliser)


@pytest.fixture(scope="module")
def whole(shown):
    """Return a function of an algorithm: a run that was never stopped or disturbed."""
    agents = {}

    def run(algorithm):
        if algorithm not in agents:
            agent = _agent(algorithm, shown, toys.linear())
            before = agent.policy
            rows = list(agent.iterate(PLACES[algorithm][-1]))
            agents[algorithm] = agent, before, rows
        return agents[algorithm]

    return run


# -- names -----------------------------------------------------------------------------------


def test_names_that_need_no_tensorflow_load_none():
    check = f"""
import sys, mgail_tf
heavy = {{"tensorflow", "keras", "tensorflow_probability"}}
assert not heavy & {{*sys.modules}}, "by its import"
assert dir(mgail_tf) == sorted(mgail_tf.__all__)
for name in {LIGHT}:
    getattr(mgail_tf, name)
    assert not heavy & {{*sys.modules}}, name
from mgail_tf.envs.parallel import Collectors
assert not heavy & {{*sys.modules}}, "by the worker processes"
mgail_tf.MGAIL
assert heavy <= {{*sys.modules}}
"""
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_every_public_name_is_there_and_no_other():
    assert set(LIGHT) < set(mg.__all__)
    for name in mg.__all__:
        found = getattr(mg, name)
        assert name == "TASKS" or found.__module__.startswith("mgail_tf.")
        assert name == "TASKS" or found.__name__ == name
    with pytest.raises(AttributeError, match="Nothing"):
        operator.attrgetter("Nothing")(mg)


# -- the loop --------------------------------------------------------------------------------


def test_unregistered_environment_trains(algorithm, whole):
    agent, before, rows = whole(algorithm)
    assert agent.spec.env_id == "Linear"
    assert [place for place, _ in rows] == PLACES[algorithm]
    assert len({tuple(metrics) for _, metrics in rows}) == 1
    for _, metrics in rows:
        assert all(
            math.isfinite(x) for name, x in metrics.items() if name not in ("return", "length")
        )
    for old, new in zip(before.weights, agent.policy.weights, strict=True):
        assert np.isfinite(new).all() and not np.array_equal(old, new)
    action = agent.policy.predict([0.5, -0.5])
    assert action.shape == (1,) and np.abs(action) <= 2.0


def test_same_seed_begins_the_same_and_another_does_not(algorithm, whole, shown):
    _, before, _ = whole(algorithm)
    again, other = (_agent(algorithm, shown, toys.linear(), seed) for seed in (0, 1))
    _assert_same_policy(again.policy, before)
    assert not np.array_equal(other.policy.weights[0], before.weights[0])


def test_learn_is_iterate_to_the_end(algorithm, whole, shown):
    agent = _agent(algorithm, shown, toys.linear)  # and a function makes the same environment
    assert _learn(agent) is agent
    np.testing.assert_equal(agent.state_dict(), whole(algorithm)[0].state_dict())


def test_restored_agent_goes_on_bit_for_bit(algorithm, whole, shown, tmp_path):
    stopped = _agent(algorithm, shown, toys.linear())
    for _, _ in zip(range(MIDWAY), stopped.iterate(PLACES[algorithm][-1]), strict=False):
        stopped.save(tmp_path / "agent.npz")
    resumed = _agent(algorithm, shown, toys.linear())
    resumed.restore(tmp_path / "agent.npz")
    _assert_same_policy(resumed.policy, stopped.policy)
    places = [place for place, _ in resumed.iterate(PLACES[algorithm][-1])]
    assert places == PLACES[algorithm][MIDWAY:]
    np.testing.assert_equal(resumed.state_dict(), whole(algorithm)[0].state_dict())


def test_agent_with_other_settings_does_not_take_the_file(algorithm, whole, shown, tmp_path):
    whole(algorithm)[0].save(tmp_path / "agent.npz")
    size = {"policy_hidden" if algorithm == "mgail" else "hidden": (9,)}
    with pytest.raises(mg.BadInput, match=r"^[^\n]*agent\.npz: [^\n]*$"):
        _agent(algorithm, shown, toys.linear(), **size).restore(tmp_path / "agent.npz")


def test_evaluation_leaves_the_training_environment_alone(algorithm, whole, shown):
    env = toys.linear()
    agent, scores = _agent(algorithm, shown, env), []
    for _ in agent.iterate(PLACES[algorithm][-1]):
        scores.append(mg.evaluate(agent.policy, env, episodes=2))
    np.testing.assert_equal(agent.state_dict(), whole(algorithm)[0].state_dict())
    assert {(s.mode, s.episodes, s.length_mean) for s in scores} == {("deterministic", 2, 50.0)}
    assert scores[-1] == mg.evaluate(agent.policy, toys.linear, episodes=2)  # by its seed alone


def test_evaluation_that_is_none_is_refused(whole):
    policy = whole("bc")[0].policy
    for wrong in ({"episodes": 0}, {"mode": "random"}):
        with pytest.raises(mg.BadInput, match="evaluate"):
            mg.evaluate(policy, toys.linear(), **wrong)


# -- a run's folder --------------------------------------------------------------------------


def test_folder_holds_the_run_and_a_finished_one_is_only_read(algorithm, whole, shown, tmp_path):
    folder = tmp_path / "run"
    agent = _learn(_agent(algorithm, shown, toys.linear()), folder, episodes=2)
    np.testing.assert_equal(agent.state_dict(), whole(algorithm)[0].state_dict())
    names = {path.name for path in folder.iterdir()} - {".lock"}
    expected = {"config.json", "progress.csv", "tensorboard", "policy.npz", "saved_model"}
    curve = set() if algorithm == "bc" else {"curve.png", "policies"}
    assert names == expected | {"final.json"} | curve

    final = json.loads((folder / "final.json").read_text())
    assert [(row["mode"], row["episodes"]) for row in final["rows"]] == [
        ("deterministic", 2),
        ("stochastic", 2),
    ]
    score = mg.evaluate(agent.policy, toys.linear(), episodes=2)
    assert final["scores"]["deterministic"] == round(score.return_mean, 2)
    loaded = mg.NumpyPolicy.load(folder / "policy.npz", agent.spec)
    _assert_same_policy(loaded, agent.policy)
    saved = mg.SavedPolicy(folder / "saved_model", agent.spec)
    state = np.array([0.3, -0.2], np.float32)
    np.testing.assert_allclose(saved.act(state, None), agent.policy.act(state, None), atol=1e-6)

    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}
    again = _learn(_agent(algorithm, shown, toys.linear()), folder, episodes=2, resume=True)
    _assert_same_policy(again.policy, agent.policy)
    after = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}
    assert after == before
    with pytest.raises(mg.BadInput, match=str(folder)):
        _learn(_agent(algorithm, shown, toys.linear()), folder)
    with pytest.raises(mg.BadInput, match=str(folder)):
        _learn(_agent(algorithm, shown, toys.linear(), seed=1), folder, resume=True)


@pytest.mark.parametrize("algorithm", ["trpo", "mgail"], indirect=True)
def test_environment_that_cannot_be_copied_trains_with_a_warning(algorithm, whole, shown, tmp_path):
    env = TimeLimit(toys.Uncopied(), 50)
    agent = _agent(algorithm, shown, env)
    with pytest.warns(UserWarning, match="Uncopied"):
        _learn(agent, tmp_path / "run", episodes=1)
    policy = whole(algorithm)[0].policy
    _assert_same_policy(agent.policy, policy._replace(spec=agent.spec))
    assert (tmp_path / "run" / "final.json").exists()


def test_environment_that_can_be_copied_trains_without_one(whole, shown, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        _learn(_agent("trpo", shown, toys.linear()), tmp_path / "run", episodes=1)
    rows = (tmp_path / "run" / "progress.csv").read_text().splitlines()
    column = rows[0].split(",").index("evaluation")
    assert all(math.isfinite(float(row.split(",")[column])) for row in rows[1:])


# -- the committed experts -------------------------------------------------------------------


def test_expert_demonstrations_are_rolled_out_once_and_then_read(tmp_path, monkeypatch):
    first = mg.expert_demonstrations("cartpole", episodes=2, cache=tmp_path)
    (path,) = tmp_path.iterdir()
    written = path.stat().st_mtime_ns
    again = mg.expert_demonstrations("cartpole", episodes=2, cache=tmp_path)
    assert path.stat().st_mtime_ns == written
    assert (len(first), first.sha256) == (2, again.sha256)
    assert first.env_id == "CartPole-v1" and math.isfinite(first.expert_return)
    # with another kernel of OpenBLAS the sample may be another one
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Another")
    mg.expert_demonstrations("cartpole", episodes=2, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2 and path.stat().st_mtime_ns == written
    with pytest.raises(mg.BadInput, match="Pendulum-v1"):
        mg.expert_demonstrations("Pendulum-v1", cache=tmp_path)


def test_what_is_of_another_kind_is_refused_in_one_line():
    demos, env = toys.linear_demonstrations(), toys.linear()
    agent = mg.BC(env, demos, CONFIGS["bc"])
    for field, wrong in (
        ("demonstrations", lambda: mg.MGAIL(env, "mine.npz")),
        ("config", lambda: mg.MGAIL(env, demos, {"horizon": 3})),
        ("config", lambda: mg.GAIL(env, demos, mg.MGAILConfig())),
        ("evaluate", lambda: mg.evaluate(agent, env)),
        ("env_steps", lambda: mg.MGAIL(env, demos, CONFIGS["mgail"]).learn(0)),
        ("env_steps", lambda: mg.GAIL(env, demos, CONFIGS["gail"]).learn("runs/mine")),
        ("env_steps", lambda: mg.GAIL(env, demos, CONFIGS["gail"]).learn(1e6)),
        ("run_dir", lambda: agent.learn(2000)),
        ("episodes", lambda: agent.learn("runs/mine", episodes=2.5)),
        ("num_trajectories", lambda: demos.sample(2.0)),
        ("subsample", lambda: demos.sample(every=2.5)),
        ("held_out", lambda: demos.held_out("1")),
        ("episodes", lambda: mg.record(env, lambda state: [0.0], 2.0)),
        ("episodes", lambda: mg.evaluate(agent.policy, env, 1e2)),
        ("seed", lambda: mg.make(env, 0.5)),
    ):
        with pytest.raises(mg.BadInput, match=f"^{field}: found") as error:
            wrong()
        assert "\n" not in str(error.value)


def test_saved_demonstrations_are_the_same_as_those_in_memory(tmp_path):
    demos = toys.linear_demonstrations()
    demos.save(tmp_path / "mine.npz")
    assert mg.Demonstrations.load(tmp_path / "mine.npz").sha256 == demos.sha256
    assert "\n" not in repr(demos) and str(len(demos)) in repr(demos)


def test_cloning_goes_on_where_it_was_left():
    agent = mg.BC(toys.linear(), toys.linear_demonstrations(), CONFIGS["bc"])
    assert [epoch for epoch, _ in agent.iterate(2)] == [1, 2]
    assert [epoch for epoch, _ in agent.iterate(5)] == [3, 4, 5]


@pytest.mark.parametrize("content", [b"states,actions\n1,2\n", b"\x89PNG\r\n\x1a\n"])
def test_files_of_another_kind_are_named_and_no_unsafe_loading_is_advised(tmp_path, content):
    (tmp_path / "some.npz").write_bytes(content)
    spec = mg.make(toys.linear(), 0).spec
    for load in (mg.Demonstrations.load, lambda path: mg.NumpyPolicy.load(path, spec)):
        with pytest.raises(mg.BadInput, match=r"some\.npz: (not an npz file|found a )") as error:
            load(tmp_path / "some.npz")
        assert "pickle" not in str(error.value)
