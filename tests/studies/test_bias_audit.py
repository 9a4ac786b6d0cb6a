"""The audit: the same run without an expert to learn from, and with the other sign."""

import csv
import dataclasses
import json

import audit_bias
import numpy as np
import pytest

import mgail_tf as mg
from mgail_tf.envs.gym_env import make
from mgail_tf.reporting import tables
from mgail_tf.studies import bias_audit
from tests import toys

SMALL = {
    "gail": mg.GAILConfig(
        batch_steps=100,
        hidden=4,
        cg_iterations=2,
        value_epochs=1,
        discriminator_steps=2,
        compile="graph",
    ),
    "mgail": mg.MGAILConfig(
        prefill_steps=50,
        updates_per_call=2,
        horizon=2,
        sequence_length=2,
        model_units=4,
        cloning_bound=None,  # no clone is fitted, which takes seconds
        clone_share=0.0,
        log_std=(-1.2, -2.3),
        compile="graph",
    ),
}
IMITATORS = {"gail": mg.GAIL, "mgail": mg.MGAIL}


def test_constant_policy_takes_one_action_whatever_the_state(rng):
    for task, action in (("hopper", np.zeros(3)), ("cartpole", [1.0, 0.0])):
        spec = make(task, 0).spec
        policy = bias_audit.constant_policy(spec)
        for state in rng.normal(size=(5, spec.state_size)).astype(np.float32):
            np.testing.assert_array_equal(policy.act(state, None), action)


@pytest.mark.parametrize("pairs", [1, 20, 60, 1000])
def test_constant_demonstrations_have_about_as_many_pairs(pairs):
    spec = make("cartpole", 0).spec
    shown = bias_audit.constant_demonstrations("cartpole", 3, pairs)
    assert 0.75 * pairs <= len(shown.pairs(spec).states) <= 1.5 * pairs + 1
    assert (shown.pairs(spec).actions == [1.0, 0.0]).all()


@pytest.mark.parametrize("algorithm", ["gail", "mgail"])
def test_each_audit_changes_what_it_says_and_no_more(algorithm):
    whole = dataclasses.replace(mg.for_task(algorithm, "hopper"), cost="log_d")

    def changed(name):
        ours, theirs = map(dataclasses.asdict, (whole, bias_audit.settings_of(name, whole)))
        return {key for key in ours if ours[key] != theirs[key]}

    assert changed("expert") == changed("constant") == set()
    assert changed("other_sign") == {"cost"}
    ways = {"cloning_bound", "clone_share", "match_tolerance", "demonstrated_share"}
    other_ways = ways if algorithm == "mgail" else set()
    assert changed("untrained") == {"discriminator_learning_rate"} | other_ways


@pytest.mark.parametrize(("algorithm", "env_steps"), [("gail", 200), ("mgail", 55)])
def test_discriminator_of_an_untrained_audit_stays_as_it_was(algorithm, env_steps, eager):
    config = bias_audit.settings_of("untrained", SMALL[algorithm])
    agent = IMITATORS[algorithm](toys.linear(), toys.linear_demonstrations(), config)
    discriminator = getattr(agent, "learner", agent).discriminator
    before = [w.copy() for w in discriminator.get_weights()]
    assert len(list(agent.iterate(env_steps))) > 0
    for a, b in zip(before, discriminator.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_audit_of_ones_own_environment_writes_its_own_folder_only(tmp_path, eager):
    shown = toys.linear_demonstrations().sample(every=10)
    rows = bias_audit.audit(
        mg.GAIL, toys.linear(), shown, SMALL["gail"], 200, tmp_path / "a", seed=3, episodes=2
    )
    assert [row["audit"] for row in rows] == list(bias_audit.AUDITS)
    assert [row["demonstrator_return"] for row in rows].count(round(shown.return_mean, 2)) == 3
    assert {path.name for path in tmp_path.iterdir()} == {"a"}
    names = {f"gail-{name}" for name in bias_audit.AUDITS}
    assert {path.name for path in (tmp_path / "a").iterdir()} == names
    configs = [json.loads((tmp_path / "a" / n / "config.json").read_text()) for n in names]
    assert {config["variant"] for config in configs} == {f"audit_{n}" for n in bias_audit.AUDITS}


@pytest.mark.slow
def test_script_merges_a_row_each_and_runs_nothing_again(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags = ["audit", "--task=cartpole", "--algorithm=gail", "--smoke", "--out=a"]
    assert audit_bias.main(flags) == 0
    printed = capsys.readouterr().out
    with (tmp_path / "a/audit.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["audit"] for row in rows] == list(bias_audit.AUDITS)
    assert [row["cost"] for row in rows] == ["log_d"] * 3 + ["neg_log_expert"]
    assert rows[0]["share"] == "1.0"
    share = float(rows[2]["normalised"]) / float(rows[0]["normalised"])
    assert abs(float(rows[2]["share"]) - share) < 0.01
    assert float(rows[2]["demonstrator_return"]) < 15 < float(rows[0]["demonstrator_return"])
    used = json.loads((tmp_path / "a/gail-constant/config.json").read_text())
    # as many pairs as the expert's 20: two trajectories of about 10 steps, all of them kept
    assert (used["num_trajectories"], used["subsample"]) in ((2, 1), (3, 1))

    table = (tmp_path / "a/audit.csv").read_text()
    earlier = table.splitlines()[1].replace("cartpole", "hopper")
    (tmp_path / "all.csv").write_text(f"{table.splitlines()[0]}\n{earlier}\n")
    assert audit_bias.main([*flags, "--table=all.csv"]) == 0
    assert capsys.readouterr().out == printed
    assert (tmp_path / "all.csv").read_text().splitlines()[1:] == [earlier, *table.splitlines()[1:]]


def test_script_refuses_a_task_without_an_expert_and_another_table(capsys, tmp_path):
    flags = ["audit", "--algorithm=mgail", f"--out={tmp_path / 'a'}"]
    assert audit_bias.main([*flags, "--task=ToyLinear-v0"]) == 2
    assert "ToyLinear-v0: no committed expert" in capsys.readouterr().err
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    assert audit_bias.main([*flags, f"--table={tmp_path / 'other.csv'}"]) == 2
    assert "other.csv: columns: found ['a', 'b'], expected ['task'" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


def test_merge_replaces_rows_of_the_same_key_in_place(tmp_path):
    table = tmp_path / "below" / "t.csv"
    tables.merge(table, [{"task": "a", "seed": 0, "x": 0.5}], ("task", "seed"))
    tables.merge(table, [{"task": "a", "seed": 1, "x": 1.5}], ("task", "seed"))
    tables.merge(table, [{"task": "a", "seed": 0, "x": 2.5}], ("task", "seed"))
    assert table.read_text() == "task,seed,x\na,0,2.5\na,1,1.5\n"
    assert [path.name for path in table.parent.iterdir()] == ["t.csv"]
    with pytest.raises(mg.BadInput, match="found \\['task', 'seed', 'x'\\]"):
        tables.merge(table, [{"task": "a"}], ("task",))
    table.write_bytes(b"\xff\xfe")
    with pytest.raises(mg.BadInput, match="not a table"):
        tables.check(table, ["task"])
    with pytest.raises(mg.BadInput, match="cannot be made"):
        tables.check(table / "t.csv", ["task"])
