"""Forward Training, SMILe and DAgger: whom they follow, what they ask, and that it helps."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from gymnasium.wrappers import TimeLimit

import mgail_tf as mg
from mgail_tf.agents import interactive
from mgail_tf.agents.interactive import smile_weights
from mgail_tf.errors import BadInput
from mgail_tf.policies import experts
from mgail_tf.reporting import collect
from tests import toys

TINY = {"hidden": (4,), "max_epochs": 2}
CONFIGS = {
    mg.ForwardTraining: mg.ForwardTrainingConfig(**TINY),
    mg.SMILe: mg.SMILeConfig(**TINY, iterations=3, alpha=0.4),
    mg.DAgger: mg.DAggerConfig(**TINY, iterations=3, expert_decay=0.5),
}
QUERIES = 31  # of the tiny runs: not a multiple of anything


def linear(steps=10):
    """Return a function that makes the linear environment with another time limit."""
    return lambda: TimeLimit(toys.Linear(), steps)


def tightrope(steps):
    return lambda: TimeLimit(toys.Tightrope(), steps)


def tiny(method, seed=0, **changes):
    config = dataclasses.replace(CONFIGS[method], **changes)
    return method(linear(), toys.expert_action, config, seed)


@pytest.fixture(params=CONFIGS, ids=lambda method: method.__name__)
def method(request):
    return request.param


@pytest.fixture
def cloned(monkeypatch):
    """Return the sets of pairs that policies are cloned from, as they come."""
    sets, clone = [], interactive.Cloning.policy

    def policy(self, pairs, number):
        sets.append(pairs)
        return clone(self, pairs, number)

    monkeypatch.setattr(interactive.Cloning, "policy", policy)
    return sets


class Counting:
    """The linear expert, and how many states it was asked about."""

    count = 0

    def __call__(self, states):
        self.count += len(states)
        return toys.expert_action(states)


# -- the algorithms --------------------------------------------------------------------------


def test_weights_of_the_mixture_are_those_of_the_update_done_by_hand():
    alpha, expert, learnt = 0.25, 1.0, [0.0, 0.0, 0.0]
    for t in (1, 2, 3):  # pi_t = pi_t-1 + alpha (1 - alpha)^(t-1) (pihat_t - pi_0)
        step = alpha * (1 - alpha) ** (t - 1)
        expert -= step
        learnt[t - 1] += step
    assert learnt == [0.25, 0.1875, 0.140625] and expert == 0.421875
    found_expert, found = smile_weights(alpha, 3)
    np.testing.assert_allclose([found_expert, *found], [expert, *learnt], rtol=1e-12)
    agent = tiny(mg.SMILe, alpha=alpha)
    agent.learn(QUERIES)
    # the expert's part is removed, and the rest divided by what is left
    expected = np.array(learnt) / (1 - expert)
    np.testing.assert_allclose(agent.policy.probabilities, expected, rtol=1e-12)
    assert smile_weights(1.0, 2)[0] == 0.0 and smile_weights(1.0, 2)[1].tolist() == [1.0, 0.0]


@pytest.mark.slow
def test_expert_acts_by_its_exact_share():
    agent = tiny(mg.SMILe, query_every=5)
    steps, shares, before = [], [], (0, 0)
    for _, metrics in agent.iterate(3000):  # 500 episodes of 10 steps an iteration
        now = metrics["env_steps"], metrics["expert_steps"]
        steps.append(now[0] - before[0])
        shares.append((now[1] - before[1]) / steps[-1])
        before = now
    assert steps == [5000, 5000, 5000]
    np.testing.assert_allclose(shares, [1.0, 0.6, 0.36], atol=4 * np.sqrt(0.25 / 5000))


@pytest.mark.parametrize(
    ("method", "steps", "changes"),
    [
        (mg.SMILe, 10, {"alpha": 1.0, "iterations": 1}),
        (mg.ForwardTraining, 1, {}),
        (mg.DAgger, 10, {"iterations": 1}),
    ],
)
def test_one_round_alone_is_cloning(cloned, method, steps, changes):
    config = dataclasses.replace(CONFIGS[method], **changes)
    agent = method(linear(steps), toys.expert_action, config, 3).learn(QUERIES)
    (pairs,) = cloned
    assert len(pairs.states) == QUERIES
    np.testing.assert_allclose(2 * pairs.actions, toys.expert_action(pairs.states), atol=1e-6)
    shown = mg.Demonstrations.from_arrays(
        [[s, s] for s in pairs.states], [[2 * a] for a in pairs.actions], terminated=[0] * QUERIES
    )
    names = {field.name for field in dataclasses.fields(mg.BCConfig)}
    same = mg.BCConfig(**{k: v for k, v in dataclasses.asdict(config).items() if k in names})
    clone = mg.BC(linear(steps), shown, same, 3).learn().policy
    found = agent.policy if method is mg.DAgger else agent.policy.members[0]
    np.testing.assert_equal(found.weights, clone.weights)
    np.testing.assert_equal(found.normaliser, clone.normaliser)
    if method is mg.SMILe:
        assert agent.policy.probabilities.tolist() == [1.0]


def test_each_learns_from_the_states_that_it_should(cloned, method):
    agent = tiny(method)
    counts = [count for count, _ in agent.iterate(QUERIES)]
    sizes = [len(pairs.states) for pairs in cloned]
    if method is mg.ForwardTraining:  # the states at one step, 3 of them for each of 10
        assert sizes == [3] * 10 and counts == [3 * i for i in range(1, 11)]
        assert len(agent.policy.members) == 10
        assert agent.visits.env_steps == 3 * sum(range(1, 11))
        # all start within 1.5 of the origin, and in no other step
        assert np.abs(cloned[0].states).max() <= 1.5
    elif method is mg.SMILe:  # the newest answers only
        assert sizes == [10, 10, 11] and counts == [10, 20, 31]
    else:  # all of them
        assert sizes == [10, 20, 31] and counts == [10, 20, 31]
        np.testing.assert_array_equal(cloned[2].states[:20], cloned[1].states)
    assert agent.visits.expert_queries == counts[-1]
    for pairs in cloned:
        np.testing.assert_allclose(2 * pairs.actions, toys.expert_action(pairs.states), atol=1e-6)


def test_forward_training_follows_the_policies_before(monkeypatch):
    """The state at step t is where the first t policies lead, whatever those after it do."""
    agent = tiny(mg.ForwardTraining)
    for _ in agent.iterate(QUERIES):
        pass
    acted = []

    class Noting:
        def at(self, step):
            acted.append(step)
            return agent.policy.at(step)

    mg.evaluate(Noting(), linear(), episodes=2)
    assert acted == [*range(10)] * 2
    again = mg.evaluate(agent.policy, linear(), episodes=2)
    assert again == mg.evaluate(Noting(), linear(), episodes=2)
    # and beyond the last step the last one acts
    assert mg.evaluate(agent.policy, linear(12), episodes=1).length_mean == 12


def test_expert_is_asked_about_no_state_twice():
    expert = Counting()
    agent = mg.DAgger(linear(), expert, dataclasses.replace(CONFIGS[mg.DAgger], expert_decay=0.0))
    agent.learn(QUERIES)
    visits = agent.visits
    # in the first iteration it acts, which answers for the 10 states that are learnt from
    assert (visits.expert_queries, visits.expert_steps) == (QUERIES, 10)
    assert expert.count == visits.expert_steps + visits.expert_queries - 10


def test_states_that_are_asked_about_are_spread_as_demonstrated_pairs_are():
    agent = mg.DAgger(linear(), toys.expert_action, mg.DAggerConfig(**TINY, query_every=5))
    assert agent.worth(7) == 14 and mg.DAgger("cartpole").worth(1) == 20
    agent.learn(QUERIES)
    # 20 iterations of 1 or 2 queries, which an episode of 10 steps offers
    assert agent.visits.env_steps == 200


@pytest.mark.parametrize("method", [mg.SMILe, mg.DAgger])
def test_of_fewer_queries_than_iterations_each_has_one(method):
    agent = tiny(method)
    assert [n for n, _ in agent.iterate(2)] == [1, 2]
    assert len(getattr(agent.policy, "members", [agent.policy])) == (2 if method is mg.SMILe else 1)


def test_forward_training_ends_where_no_episode_gets_further():
    def expert(states):
        return np.ones(len(states), np.int64)

    agent = mg.ForwardTraining("ToyAtOnce-v0", expert, CONFIGS[mg.ForwardTraining]).learn(150)
    assert len(agent.policy.members) == 1 and agent.visits.expert_queries == 3


# -- what they are for -----------------------------------------------------------------------


@pytest.mark.slow
def test_each_beats_cloning_on_as_many_demonstrated_pairs():
    """An expert that is asked answers with its mean; demonstrations show it as sampled."""
    settings = {"hidden": (16,), "learning_rate": 0.01, "max_epochs": 200}
    shown = toys.rolled_out(linear(), toys.LinearExpert(), 20)
    clone = mg.BC(linear(), shown, mg.BCConfig(**settings)).learn().policy
    errors = {"BC": _error_on_its_own_states(clone)}
    for method, config in (
        (mg.ForwardTraining, mg.ForwardTrainingConfig(**settings)),
        (mg.SMILe, mg.SMILeConfig(**settings, iterations=2, alpha=0.5)),
        (mg.DAgger, mg.DAggerConfig(**settings, iterations=3)),
    ):
        agent = method(linear(), toys.expert_action, config).learn(len(shown.actions))
        errors[method.__name__] = _error_on_its_own_states(agent.policy)
    assert errors.pop("BC") > 1.3 * max(errors.values()), errors


def _error_on_its_own_states(policy):
    """Return the root mean square distance to the expert's actions where a policy goes."""
    seen = []
    mg.evaluate(policy, linear(), 100, seen=seen.append)
    distances = [e.actions - toys.expert_action(e.states[:-1]) for e in seen]
    return float(np.sqrt(np.mean(np.concatenate(distances) ** 2)))


class _RopeWalker:
    def act(self, state, rng):
        return np.eye(3, dtype=np.float32)[toys.tightrope_expert(state[None])[0]]


@pytest.mark.slow
def test_cloning_pays_for_its_errors_to_the_end_and_the_others_do_not():
    """Four times the steps: a regret that is linear in them is four times as large."""
    settings = {"hidden": (16,), "learning_rate": 0.02, "weight_decay": 0.0, "max_epochs": 40}
    methods = (
        (mg.ForwardTraining, mg.ForwardTrainingConfig(**settings)),
        (mg.SMILe, mg.SMILeConfig(**settings, iterations=4, alpha=0.4)),
        (mg.DAgger, mg.DAggerConfig(**settings, iterations=4)),
    )
    regrets = {}
    for steps in (10, 40):
        env = tightrope(steps)
        shown = toys.rolled_out(env, _RopeWalker(), 20)
        policies = {"BC": mg.BC(env, shown, mg.BCConfig(**settings)).learn().policy}
        for method, config in methods:
            agent = method(env, toys.tightrope_expert, config).learn(len(shown.actions))
            policies[method.__name__] = agent.policy
        for name, policy in policies.items():
            regrets.setdefault(name, []).append(-mg.evaluate(policy, env, 200).return_mean)
    growth = {name: later / sooner for name, (sooner, later) in regrets.items()}
    assert growth.pop("BC") > 6.0 > 5.5 > max(growth.values()), regrets
    assert regrets.pop("BC")[1] > 3 * max(later for _, later in regrets.values()), regrets


# -- saving, folders -------------------------------------------------------------------------


@pytest.mark.slow
def test_restored_agent_goes_on_bit_for_bit(method, tmp_path):
    whole, stopped, resumed = (tiny(method) for _ in range(3))
    places = [place for place, _ in whole.iterate(QUERIES)]
    for _, _ in zip(range(2), stopped.iterate(QUERIES), strict=False):
        stopped.save(tmp_path / "agent.npz")
    resumed.restore(tmp_path / "agent.npz")
    np.testing.assert_equal(resumed.policy.arrays(), stopped.policy.arrays())
    assert [place for place, _ in resumed.iterate(QUERIES)] == places[2:]
    np.testing.assert_equal(resumed.state_dict(), whole.state_dict())
    assert list(resumed.iterate(QUERIES)) == []
    with pytest.raises(BadInput, match=r"^[^\n]*agent\.npz: [^\n]*layers of[^\n]*$"):
        tiny(method, hidden=(5,)).restore(tmp_path / "agent.npz")
    fresh, other_seed = tiny(method), tiny(method, seed=1)
    fresh.save(tmp_path / "fresh.npz")  # before anything is learnt
    stopped.restore(tmp_path / "fresh.npz")
    with pytest.raises(BadInput, match="found no policy"):
        _ = stopped.policy
    other_seed.learn(QUERIES)
    assert not np.array_equal(
        other_seed.policy.arrays()["layer00"], whole.policy.arrays()["layer00"]
    )


@pytest.mark.slow
def test_folder_holds_the_run_and_a_finished_one_is_only_read(method, tmp_path):
    folder = tmp_path / "run"
    agent = tiny(method).learn(QUERIES, folder, episodes=2)
    names = {path.name for path in folder.iterdir()} - {".lock"}
    assert names == {
        *("config.json", "progress.csv", "tensorboard", "policy.npz", "saved_model"),
        *("curve.png", "policies", "final.json"),
    }
    config = json.loads((folder / "config.json").read_text())
    assert (config["expert_queries"], config["expert"]) == (QUERIES, "expert_action")
    final = json.loads((folder / "final.json").read_text())
    queries = 30 if method is mg.ForwardTraining else QUERIES
    for row in final["rows"]:
        assert (row["expert_queries"], row["num_trajectories"]) == (queries, 3.1)
        assert row["env_steps"] == agent.visits.env_steps > 0
        assert row["expert_steps"] == agent.visits.expert_steps
    with (folder / "progress.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(r["expert_queries"]) for r in rows] == [n for n, _ in tiny(method).iterate(QUERIES)]
    assert float(rows[-1]["env_steps"]) == agent.visits.env_steps
    loaded = mg.load_policy(folder / "policy.npz", agent.spec)
    np.testing.assert_equal(loaded.arrays(), agent.policy.arrays())
    saved = mg.SavedPolicy(folder / "saved_model", agent.spec)
    one, other = (mg.evaluate(p, linear(), episodes=2) for p in (saved, loaded))
    np.testing.assert_allclose(one.return_mean, other.return_mean, rtol=1e-4)

    again = tiny(method).learn(QUERIES, folder, episodes=2, resume=True)
    np.testing.assert_equal(again.policy.arrays(), agent.policy.arrays())
    assert again.visits.env_steps == 0
    assert "expert queries" in mg.verdict(folder)
    collect.merge([folder], tmp_path / "tables")
    with (tmp_path / "tables/runs.csv").open() as file:
        assert {r["algorithm"] for r in csv.DictReader(file)} == {agent.algorithm}
    with pytest.raises(BadInput, match="expert_queries: found"):
        tiny(method).learn(QUERIES + 1, folder, resume=True)
    with pytest.raises(BadInput, match="expert_queries: found 0"):
        tiny(method).learn(0, tmp_path / "none")
    assert not (tmp_path / "none").exists()
    with pytest.raises(BadInput, match="demonstrations"):
        tiny(method).learn(QUERIES, tmp_path / "other", keep="best_match")


@pytest.mark.slow
def test_stopped_run_ends_as_if_it_had_not_been(method, tmp_path, monkeypatch):
    whole = tiny(method).learn(QUERIES, tmp_path / "whole", episodes=1)
    agent, iterate = tiny(method), type(tiny(method)).iterate

    def stopped(self, total):
        for number, update in enumerate(iterate(self, total)):
            if number == 2:
                raise KeyboardInterrupt
            yield update

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(method, "iterate", stopped)
        agent.learn(QUERIES, tmp_path / "run", episodes=1, checkpoint_every=0.0)
    assert mg.load_policy(tmp_path / "run/policy.npz", agent.spec)
    resumed = tiny(method).learn(QUERIES, tmp_path / "run", episodes=1, resume=True)
    np.testing.assert_equal(resumed.state_dict(), whole.state_dict())
    finals = [json.loads((tmp_path / n / "final.json").read_text()) for n in ("run", "whole")]
    assert finals[0]["scores"] == finals[1]["scores"]


# -- experts ---------------------------------------------------------------------------------


def test_committed_expert_is_asked_where_none_is_given(tmp_path):
    spec = mg.make("cartpole", 0).spec
    path = experts.weights_path("cartpole")
    expert = mg.NumpyPolicy.load(path, spec)
    states = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    expected = np.stack([expert.act(state, None) for state in states])
    for given in (None, path, str(path), expert, lambda s: expert.head(s).argmax(-1)):
        asked = mg.DAgger("cartpole", given).visits.expert
        np.testing.assert_array_equal(asked(states), expected)
        reference = asked.reference("cartpole", "cartpole", 2)
        by_file = given is None or isinstance(given, str | type(path))
        assert (reference == experts.committed_reference("cartpole")) == by_file


@pytest.mark.slow
def test_saved_model_is_an_expert(tmp_path):
    spec = mg.make("cartpole", 0).spec
    expert = mg.NumpyPolicy.load(experts.weights_path("cartpole"), spec)
    expert.export(tmp_path / "model")
    states = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    asked = mg.DAgger("cartpole", tmp_path / "model").visits.expert
    expected = np.stack([expert.act(state, None) for state in states])
    np.testing.assert_array_equal(asked(states), expected)
    assert len(asked.fingerprint) == 64


def test_policies_given_as_experts_are_told_apart_by_their_weights():
    expert = mg.NumpyPolicy.load(experts.weights_path("cartpole"), mg.make("cartpole", 0).spec)
    other = expert._replace(weights=tuple(2.0 * w for w in expert.weights))
    found = [mg.DAgger("cartpole", each).visits.expert.fingerprint for each in (expert, other)]
    assert found[0] != found[1]


def test_expert_answers_in_environment_units_for_flat_states():
    def make():
        return TimeLimit(toys.Structured(), 10)

    def expert(states):
        assert states.shape[1] == 4
        return 3.0 * np.sign(states[:, :1])[:, None]  # as the environment takes them; clipped

    agent = mg.DAgger(make, expert, CONFIGS[mg.DAgger]).learn(QUERIES)
    assert set(np.unique(agent._actions)) <= {-1.0, 0.0, 1.0}
    observation = make().reset(seed=0)[0]
    assert agent.policy.predict(observation).shape == (1, 1)


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (lambda s: np.zeros(len(s)), "expert: actions: found float64[1], expected numbers [1, 1]"),
        (lambda s: np.zeros((2, 1)), "expert: actions: found float64[2, 1]"),
        (lambda s: [["left"]] * len(s), "expert: actions: found <U4[1, 1]"),
        (lambda s: np.full((len(s), 1), np.nan), "expert: actions: found nan, expected finite"),
        (lambda s: 1 // 0, "expert: ZeroDivisionError"),
    ],
)
def test_answers_that_are_no_actions_are_refused(answer, named):
    with pytest.raises(BadInput) as error:
        mg.DAgger(linear(), answer, CONFIGS[mg.DAgger]).learn(QUERIES)
    assert str(error.value).startswith(named) and "\n" not in str(error.value)


def test_discrete_answers_that_are_none_are_refused():
    for answer, named in (
        (lambda s: np.full(len(s), 3), "found 3, expected 0 to 2"),
        (lambda s: np.ones(len(s)), "found float64.*expected integers"),
    ):
        with pytest.raises(BadInput, match=f"^expert: actions: {named}"):
            mg.DAgger(tightrope(9), answer, CONFIGS[mg.DAgger]).learn(QUERIES)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: mg.SMILe("Pendulum-v1"), "Pendulum-v1: found no committed expert"),
        (lambda: mg.SMILe(linear()), "Linear: found no committed expert"),
        (lambda: mg.SMILe(linear(), 3), "expert: found a int, expected"),
        (lambda: mg.SMILe(linear(), "no.npz"), "no.npz: "),
        (lambda: mg.DAgger(linear(), tiny(mg.ForwardTraining).learn(QUERIES).policy), "expert: "),
        (lambda: mg.DAgger("hopper", experts.weights_path("cartpole")), "env_id: "),
        (lambda: mg.DAgger(linear(), toys.expert_action, mg.SMILeConfig()), "config: found"),
        (lambda: mg.ForwardTraining(toys.Endless(), lambda s: s), "Endless: horizon: found 10000"),
        (
            lambda: mg.ForwardTraining(
                linear(), toys.expert_action, mg.ForwardTrainingConfig(hidden=(4000, 4000))
            ),
            "Linear: horizon: found 10 steps, whose policies take",
        ),
        (
            lambda: tiny(mg.ForwardTraining).learn(9),
            "expert_queries: found 9, expected at least 10",
        ),
        (lambda: tiny(mg.DAgger).policy, "dagger: found no policy"),
    ],
)
def test_what_will_not_do_is_refused_in_one_line(make, named):
    with pytest.raises(BadInput) as error:
        make()
    assert named in str(error.value) and "\n" not in str(error.value)
