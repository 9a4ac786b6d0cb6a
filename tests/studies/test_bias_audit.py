"""The audit: the same run without an expert to learn from, and with the other sign."""

import csv
import dataclasses
import json

import numpy as np
import pytest

from launch import audit_bias
from mgail_tf import audit, config, envs, tasks
from mgail_tf.agents import gail
from mgail_tf.imitation import Imitation
from mgail_tf.types import Pairs


def test_constant_policy_takes_one_action_whatever_the_state(rng):
    for task, action in (("hopper", np.zeros(3)), ("cartpole", [1.0, 0.0])):
        spec = envs.make(task, 0).spec
        policy = audit.constant_policy(spec)
        for state in rng.normal(size=(5, spec.state_size)).astype(np.float32):
            np.testing.assert_array_equal(policy.act(state, None), action)


@pytest.mark.parametrize("algorithm", ["gail", "mgail"])
def test_each_audit_changes_what_it_says_and_no_more(tmp_path, algorithm):
    settings = tasks.for_task(algorithm, "hopper")
    whole = Imitation(algorithm, "hopper", settings, 3, tmp_path)
    shown = audit._Demonstrator(tmp_path / "constant.npz", 7, 2, 10.0)
    jobs = {name: audit._job(whole, name, shown) for name in audit.AUDITS}
    assert len({job.out for job in jobs.values()}) == 4

    def changed(name):
        ours, theirs = (dataclasses.asdict(c) for c in (settings, jobs[name].config))
        return {key for key in ours if ours[key] != theirs[key]}

    assert changed("expert") == changed("constant") == set()
    assert changed("other_sign") == {"cost"}
    cloning = {"cloning"} if algorithm == "mgail" else set()
    assert changed("untrained") == {"discriminator_learning_rate"} | cloning
    used = jobs["constant"]
    assert (used.demos_path, used.num_trajectories, used.subsample) == (shown.path, 7, 2)
    assert jobs["expert"].demos_path is None


def test_discriminator_of_an_untrained_audit_stays_as_it_was(rng):
    settings = config.GAIL(
        env_steps=300,
        batch_steps=(100,),
        hidden=(4,),
        discriminator_learning_rate=0.0,
        jit_compile=False,
    )
    pairs = Pairs(rng.normal(size=(20, 2)).astype(np.float32), np.ones((20, 1), np.float32))
    training = gail.train("ToyLinear-v0", pairs, settings, 0)
    before = [w.copy() for w in training.learner.discriminator.get_weights()]
    assert len(list(training)) == 2
    for a, b in zip(before, training.learner.discriminator.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_audit_writes_a_row_each_once(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags = ["audit", "--task=cartpole", "--algorithm=gail", "--smoke", "--out=a"]
    assert audit_bias.main(flags) == 0
    printed = capsys.readouterr().out
    with (tmp_path / "a/audit.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["audit"] for row in rows] == list(audit.AUDITS)
    assert [row["cost"] for row in rows] == ["log_d"] * 3 + ["neg_log_expert"]
    assert rows[0]["share"] == "1.0"
    share = float(rows[2]["normalised"]) / float(rows[0]["normalised"])
    assert abs(float(rows[2]["share"]) - share) < 0.01
    assert float(rows[2]["demonstrator_return"]) < 15 < float(rows[0]["demonstrator_return"])
    used = json.loads((tmp_path / "a/gail-constant/config.json").read_text())
    # as many pairs as the expert's 20: two trajectories of about 10 steps, all of them kept
    assert (used["num_trajectories"], used["subsample"]) in ((2, 1), (3, 1))
    assert audit_bias.main(flags) == 0  # nothing is run again
    assert capsys.readouterr().out == printed
    assert len((tmp_path / "a/audit.csv").read_text().splitlines()) == 5


def test_audit_refuses_a_task_without_an_expert_and_a_cost_without_a_sign(capsys, tmp_path):
    flags = ["audit", "--algorithm=mgail", f"--out={tmp_path / 'a'}"]
    assert audit_bias.main([*flags, "--task=ToyLinear-v0"]) == 2
    assert "no committed expert, expected one of cartpole" in capsys.readouterr().err
    assert audit_bias.main([*flags, "--task=cartpole", "--set=cost=logit"]) == 2
    assert "has no other sign" in capsys.readouterr().err
