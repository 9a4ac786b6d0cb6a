"""What a finished run comes to, in words and numbers that a stranger understands."""

import json

import pytest

from mgail_tf.errors import BadInput
from mgail_tf.reporting.verdict import verdict
from tests.reporting.runs import result_row

MATCH = {"state_distance": 0.1, "pair_distance": 0.2, "classifier_accuracy": 0.55, "distance": 0.1}


def _run(folder, algorithm="mgail", score=0.99, **final):
    """Write what the verdict reads of a run."""
    rows = [
        result_row(algorithm=algorithm, mode=mode, return_mean=99.0, normalised=score)
        for mode in ("deterministic", "stochastic")
    ]
    said = {
        **{"rows": rows, "algorithm": algorithm, "seed": 0, "env_steps": 1000},
        **{"expert_return": 100.0, "random_return": 0.0},
        "match": {
            "against": "held-out demonstrations",
            "policy": MATCH,
            "random": {**MATCH, "classifier_accuracy": 0.95},
        },
        **final,
    }
    config = {"algorithm": algorithm, "task": "hopper", "num_trajectories": 4, "subsample": 20}
    config |= {"demos_sha256": "ab", "seed": 0, "config": {"max_epochs": 100, "patience": 10}}
    folder.mkdir(parents=True)
    (folder / "final.json").write_text(json.dumps(said))
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(
    ("score", "said"),
    [(0.99, "reaches the expert"), (0.85, "comes close"), (0.3, "does NOT reach")],
)
def test_the_score_is_put_into_words(tmp_path, score, said):
    text = verdict(_run(tmp_path / "run", score=score))
    assert said in text and f"normalised {score:.2f}" in text
    assert "4 trajectories, 1 pair in 20" in text and "55% of cases" in text
    assert f"{tmp_path}/run/policy.npz" in text


def test_without_a_reward_the_match_counts(tmp_path):
    text = verdict(_run(tmp_path / "none", score=None, expert_return=None))
    assert "none was recorded" in text and "a match" in text and "normalised" not in text
    text = verdict(_run(tmp_path / "flat", score=None, expert_return=0.0))
    assert "earns no more than random actions" in text


def test_a_clone_of_the_same_pairs_is_shown_beside_it(tmp_path):
    run = _run(tmp_path / "mgail")
    assert "\ncloned" not in verdict(run)
    clone = _run(tmp_path / "bc", "bc", 0.4)
    assert verdict(run).count("\ncloned, ") == 2
    assert "By normalised it is better than cloning (0.99, cloned 0.40)" in verdict(run)
    other = json.loads((clone / "config.json").read_text()) | {"demos_sha256": "cd"}
    (clone / "config.json").write_text(json.dumps(other))
    assert "\ncloned" not in verdict(run)


@pytest.mark.parametrize(("epochs", "said"), [(30, "10 epochs without"), (100, "the last")])
def test_cloning_says_why_it_stopped(tmp_path, epochs, said):
    run = _run(tmp_path / "bc", "bc", 0.4)
    losses = "".join(f"{epoch},{abs(epoch - 20)}\n" for epoch in range(1, epochs + 1))
    (run / "progress.csv").write_text("epoch,held_out_loss\n" + losses)
    text = verdict(run)
    assert said in text and "weights of epoch 20 are kept" in text


@pytest.mark.parametrize("content", [None, "", "[]", '{"algorithm": "mgail"}'])
def test_a_folder_of_no_finished_run_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "final.json").write_text(content)
    with pytest.raises(BadInput, match=r"^[^\n]*final\.json: not that of a finished run"):
        verdict(tmp_path)


def test_a_policy_that_is_kept_is_told_from_the_final_one(tmp_path):
    score = {"return_mean": 20.0, "return_std_over_episodes": 1.0, "length_mean": 9.0}
    distances = {"final": 0.8, "cloned": 0.1}
    kept = {"kept": "cloned", "match_distances": distances, "final_policy": score}
    text = verdict(_run(tmp_path / "run", **kept))
    assert "\nkept (cloned), mean action" in text and "The kept policy (cloned) reaches" in text
    (line,) = [x for x in text.splitlines() if x.startswith("final mgail policy")]
    assert line.split()[-4:] == ["1.0", "9.0", "0.20", "0.80"]


def test_few_held_out_episodes_and_unregistered_environments_are_said(tmp_path):
    match = {"against": "held-out demonstrations", "episodes": 1, "policy": MATCH, "random": MATCH}
    run = _run(tmp_path / "run", match=match)
    assert "1 held-out episodes are few" in verdict(run)
    config = json.loads((run / "config.json").read_text()) | {"task": "Mine"}
    (run / "config.json").write_text(json.dumps(config))
    assert "mg.record_video(" in verdict(run) and "launch/" not in verdict(run)
    assert "--task=mine:Mine-v0 --policies" in verdict(run, "--task=mine:Mine-v0")
