"""What a finished run leaves behind: its folder alone, whole rows, a score by the right measure."""

import json

import numpy as np
import pytest

import mgail_tf as mg
from mgail_tf.envs.evaluation import normalised
from mgail_tf.reporting.tables import ASKED, EXPERT_COLUMNS, RUN_COLUMNS
from tests import toys

pytestmark = pytest.mark.slow
SHORT = mg.BCConfig(max_epochs=3)
TRPO = mg.TRPOConfig(batch_steps=100, value_epochs=1, compile="graph")


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
    """Return a folder to be written, within the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs/mine"


def _cloned(**options):
    agent = mg.BC(toys.linear(), toys.linear_demonstrations(), SHORT)
    return agent.learn(**{"episodes": 2, **options})


@pytest.mark.parametrize("algorithm", ["bc", "trpo"])
def test_run_writes_its_own_folder_and_every_column(run_dir, tmp_path, algorithm):
    if algorithm == "bc":
        _cloned(run_dir=run_dir, label="mine")
        columns, steps = {*RUN_COLUMNS} - {*ASKED}, 0
    else:
        agent, steps = mg.TRPO(toys.linear(), TRPO), 300
        agent.learn(steps, run_dir, episodes=2, label="mine")
        columns = {*EXPERT_COLUMNS}
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files and all(path.is_relative_to(run_dir) for path in files)
    rows = json.loads((run_dir / "final.json").read_text())["rows"]
    assert [row["mode"] for row in rows] == ["deterministic", "stochastic"]
    for row in rows:
        assert columns <= {*row}
        assert (row["algorithm"], row["variant"], row["env_steps"]) == (algorithm, "mine", steps)


def test_without_a_folder_nothing_is_written(tmp_path, run_dir):
    _cloned()
    assert [*tmp_path.iterdir()] == []


def test_another_run_is_refused_in_the_folder_of_a_finished_one(run_dir):
    _cloned(run_dir=run_dir)
    before = (run_dir / "final.json").read_bytes()
    shown = toys.linear_demonstrations()
    for label, config, demonstrations in (
        ("default", mg.BCConfig(max_epochs=4), shown),
        ("default", SHORT, shown.sample(2)),
        ("other", SHORT, shown),
    ):
        agent = mg.BC(toys.linear(), demonstrations, config)
        with pytest.raises(mg.BadInput, match=r"mine: config\.json"):
            agent.learn(run_dir, resume=True, label=label)
    assert (run_dir / "final.json").read_bytes() == before


class _Leaning:
    """Pushes the cart to where the pole leans: better than chance, and far from the expert."""

    def act(self, state, rng):
        return np.eye(2, dtype=np.float32)[int(state[2] > 0)]


@pytest.mark.parametrize("rewarded", [True, False])
def test_own_demonstrations_are_the_score_s_unit(run_dir, tmp_path, rewarded):
    shown, file = toys.rolled_out("cartpole", _Leaning(), 5), tmp_path / "demos.npz"
    shown.save(file)
    if not rewarded:
        with np.load(file) as data:
            np.savez(file, **{name: data[name] for name in data.files if name != "rewards"})
    mg.BC("cartpole", mg.Demonstrations.load(file), SHORT).learn(run_dir, episodes=2)
    final = json.loads((run_dir / "final.json").read_text())
    # without rewards, the committed expert's return
    expert, chance = (shown.return_mean if rewarded else 200.0), final["random_return"]
    assert final["expert_return"] == expert and chance < shown.return_mean < 100
    for row in final["rows"]:
        score = (row["return_mean"] - chance) / (expert - chance)
        assert row["normalised"] == pytest.approx(score, abs=1e-3)


def test_score_is_unknown_where_the_expert_is_no_better_than_chance():
    assert np.isnan(normalised(-200.0, -200.0, -200.0))
    assert np.isnan(normalised(0.0, 10.0, 5.0))
    assert normalised(-110.0, -200.0, -100.0) == 0.9
