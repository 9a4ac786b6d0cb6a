"""Released policies: what is written of a run, and how it is loaded."""

import json
import shutil

import numpy as np
import pytest
import release_policies

import mgail_tf as mg
from mgail_tf.policies import composed, experts
from mgail_tf.reporting import model_cards
from tests.checks import refusal

CONFIG = {"algorithm": "mgail", "variant": "default", "task": "cartpole"}
ROW = {
    **{"env_id": "CartPole-v1", "num_trajectories": 1, "subsample": 10, "seed": 0},
    **{"env_steps": 5000, "wall_seconds": 40.2, "commit": "abc", "demos_sha256": "0123456789"},
    "versions": "python 3",
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The folder of a run, which has the expert's policy."""
    monkeypatch.setattr(model_cards, "EPISODES", 4)
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(experts.weights_path("cartpole"), folder / "policy.npz")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    final = {"rows": [ROW], "expert_return": 200.0, "random_return": 20.0}
    (folder / "final.json").write_text(json.dumps(final))
    return folder


def test_a_released_policy_is_loaded_by_its_task(run, tmp_path, monkeypatch):
    monkeypatch.setattr(composed, "results_folder", lambda: tmp_path)
    with pytest.raises(mg.BadInput, match=r"policies/cartpole/policy\.npz"):
        mg.load_policy("cartpole")
    for _ in range(2):  # what is there is replaced
        assert release_policies.main(["", str(run), f"--out={tmp_path / 'policies'}"]) == 0
    policy = mg.load_policy("cartpole")
    assert policy.spec.env_id == "CartPole-v1"
    state = np.float32([0.1, 0.0, 0.02, -0.1])
    exported = mg.OnnxPolicy(tmp_path / "policies/cartpole/policy.onnx", policy.spec)
    np.testing.assert_array_equal(policy.act(state, None), exported.act(state, None))


def test_a_card_says_what_was_shown_and_how_often_it_fails(run, tmp_path):
    folder = model_cards.release(run, tmp_path)
    card = (folder / "README.md").read_text()
    assert "from 1 trajectory of it, of which one pair in 10" in " ".join(card.split())
    assert 'mg.load_policy("cartpole")' in card and "float32 [N, 4]" in card
    assert "| deterministic | 200.0 ± 0.0 | 1.00 | 200.0 | 0 % |" in card
    (run / "final.json").write_text(
        json.dumps({"rows": [ROW], "expert_return": 400.0, "random_return": 20.0})
    )
    worse = (model_cards.release(run, tmp_path) / "README.md").read_text()
    assert "| deterministic | 200.0 ± 0.0 | 0.47 | 200.0 | 100 % |" in worse


def test_what_cannot_be_released_is_refused(run, tmp_path):
    for changes in ({"algorithm": "bc"}, {"variant": "paper"}, {"task": "Pendulum-v1"}):
        (run / "config.json").write_text(json.dumps(CONFIG | changes))
        assert "expected mgail default on one of" in refusal(
            str(run), model_cards.release, run, tmp_path
        )
    (run / "config.json").write_text(json.dumps(CONFIG))
    for changes in ({"num_trajectories": 4}, {"subsample": 1}, {"seed": 1}):
        (run / "final.json").write_text(json.dumps({"rows": [ROW | changes]}))
        ((name, value),) = changes.items()
        refused = refusal(str(run), model_cards.release, run, tmp_path)
        assert f"{name}: found {value}, expected {ROW[name]}" in refused
    (run / "final.json").unlink()
    assert "not a finished run" in refusal(str(run), model_cards.release, run, tmp_path)


def test_a_path_is_of_the_environment_that_the_file_names(run, tmp_path):
    spec = mg.load_policy(run / "policy.npz").spec
    assert (spec.env_id, spec.max_steps) == ("CartPole-v1", 200)  # the task's limit, not 500
    with np.load(run / "policy.npz") as data:
        arrays = dict(data)
    np.savez(tmp_path / "other.npz", **{**arrays, "env_id": "NoSuch-v0"})
    with pytest.raises(mg.BadInput, match="NoSuch-v0: cannot be made"):
        mg.load_policy(tmp_path / "other.npz")
    del arrays["env_id"]
    np.savez(tmp_path / "none.npz", **arrays)
    assert "missing env_id" in refusal(
        str(tmp_path / "none.npz"), mg.load_policy, tmp_path / "none.npz"
    )
