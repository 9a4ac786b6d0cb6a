"""What the Gumbel-softmax gradient misses is measured against sums over the actions."""

import numpy as np
import pytest
import tensorflow as tf

import mgail_tf as mg
from mgail_tf.studies import temperature_comparison as study
from tests.launch.running import rows_of, run

CONFIG = mg.MGAILConfig(
    prefill_steps=300,
    updates_per_step=0.5,
    updates_per_call=10,
    horizon=3,
    policy_hidden=16,
    model_units=16,
    cloning_bound=None,  # no clone is fitted, which takes seconds
    clone_share=0.0,
    log_std=(-1.2, -2.3),
    discriminator_hidden=16,
    sequence_length=2,
    compile="graph",
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def agent():
    shown = mg.expert_demonstrations("cartpole").sample(1, 10)
    return mg.MGAIL("cartpole", shown, CONFIG).learn(500)


def test_the_exact_gradient_is_that_of_the_expected_cost(agent):
    """Of its many components, one direction by finite differences."""
    estimators = study.Estimators(agent, starts=32)
    exact = estimators.exact().numpy().astype(np.float64)
    variables = agent.learner.policy.trainable_variables
    before = [v.numpy() for v in variables]

    def expected():
        probabilities = tf.nn.softmax(agent.learner.policy(estimators._states))
        return float(tf.reduce_mean(tf.reduce_sum(probabilities * estimators._costs(), -1)))

    direction = np.split(exact / np.linalg.norm(exact), np.cumsum([b.size for b in before])[:-1])
    found = []
    for sign in (1.0, -1.0):
        for v, b, d in zip(variables, before, direction, strict=True):
            v.assign(b + sign * 1e-2 * d.reshape(b.shape))
        found.append(expected())
    for v, b in zip(variables, before, strict=True):
        v.assign(b)
    slope = (found[0] - found[1]) / 2e-2
    assert slope == pytest.approx(np.linalg.norm(exact), rel=0.05)


def test_bias_and_deviation_are_those_of_section_322(agent):
    rows = list(study.compare(agent, (0.1, 10.0), estimates=300))
    found = {(row["estimator"], row["temperature"]): row for row in rows}
    score = found["score", 1.0]
    assert score["cosine"] > 0.9 and score["bias"] < 3.0 * score["deviation"] / np.sqrt(300)
    for name in ("straight_through", "relaxed"):
        assert found[name, 10.0]["deviation"] < found[name, 0.1]["deviation"]
    assert found["relaxed", 0.1]["bias"] < found["relaxed", 10.0]["bias"]


def test_statistics_by_hand():
    found = study.statistics(np.array([[1.0, 1.0], [3.0, -1.0]]), np.array([4.0, 0.0]))
    assert found == {"cosine": 1.0, "bias": 0.5, "deviation": round(np.sqrt(2) / 4, 4)}


def test_script_writes_table_and_picture(tmp_path):
    table, demos = tmp_path / "t.csv", tmp_path / "demos.npz"
    mg.expert_demonstrations("cartpole", episodes=2, cache=tmp_path).save(demos)
    flags = ["--task=cartpole", f"--demos={demos}", "--smoke", f"--table={table}"]
    assert run("compare_temperatures", *flags) == 0
    assert len(rows_of(table)) == 2 * len(study.TEMPERATURES) + 1
    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")
    assert run("compare_temperatures", "--task=Pendulum-v1", "--demos=no.npz") == 2


def test_continuous_actions_are_refused():
    demos = mg.expert_demonstrations("hopper", episodes=1).sample(1, 20)
    with pytest.raises(mg.BadInput, match="Hopper-v5: found a Box, expected discrete"):
        study.check(mg.MGAIL("hopper", demos, CONFIG))
