"""The SavedModel does what the NumPy and the Keras policy do, with TensorFlow alone."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from mgail_tf.data.normaliser import Normaliser
from mgail_tf.networks.policy import to_numpy
from mgail_tf.policies.saved_model import SavedPolicy
from tests.checks import refusal
from tests.policies import examples
from tests.policies.examples import HIGH, LOW, MANY, SPECS

METADATA = {"versions": "python 3", "scores": {"deterministic": 12.5, "stochastic": -3.0}}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Return the folder of each kind's SavedModel."""
    folders = {}
    for kind in SPECS:
        folders[kind] = tmp_path_factory.mktemp("exported") / "made" / kind
        examples.policy_of(kind).export(folders[kind], METADATA)
    return folders


@pytest.fixture(scope="module")
def models(exported):
    return {kind: tf.saved_model.load(str(folder)) for kind, folder in exported.items()}


@pytest.fixture
def model(models, kind):
    return models[kind]


def _act(model, states):
    return model.signatures["act"](states=tf.constant(states))["actions"].numpy()


def _sample(model, states, seed):
    seed = tf.constant(seed, tf.int64)
    return model.signatures["sample"](states=tf.constant(states), seed=seed)["actions"].numpy()


# -- what it answers -------------------------------------------------------------------------


@pytest.mark.parametrize("states", ["some_states", "extreme_states", "ten_thousand_states"])
def test_act_is_the_keras_policys_mode_in_environment_units(network, model, kind, states):
    states = getattr(examples, states)(kind)
    expected = examples.applied(examples.head_of(network, states, kind), SPECS[kind])
    actions = _act(model, states)
    np.testing.assert_allclose(actions, expected, rtol=1e-6, atol=1e-6)
    assert len(np.unique(expected)) >= 2
    np.testing.assert_array_equal(model.act(states)["actions"], actions)
    served = model.signatures["serving_default"](states=tf.constant(states))["actions"]
    np.testing.assert_array_equal(served, actions)


def test_policy_sees_some_components_only(kind, tmp_path):
    spec = SPECS[kind]
    network = examples.network_of(kind, spec._replace(state_size=2))
    normaliser = Normaliser(np.array([0.5, -1.0]), np.array([0.3, 2.0]), 4.0, np.array([0, 2]))
    states = np.random.default_rng(5).normal(size=(50, spec.state_size)).astype(np.float32)
    to_numpy(network, normaliser, spec).export(tmp_path / "model")
    expected = examples.applied(network(normaliser(states)).numpy(), spec)
    model = tf.saved_model.load(str(tmp_path / "model"))
    np.testing.assert_allclose(_act(model, states), expected, atol=1e-6)
    # a policy whose normaliser leaves components out itself
    small = to_numpy(network, normaliser._replace(components=None), spec)
    small._replace(normaliser=normaliser).export(tmp_path / "small")
    model = tf.saved_model.load(str(tmp_path / "small"))
    np.testing.assert_allclose(_act(model, states), expected, atol=1e-6)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_states_that_are_not_finite_are_answered_with_an_error(model, kind, value):
    states = examples.some_states(kind, 5)
    states[3, 1] = value
    for ask in (lambda: _act(model, states), lambda: _sample(model, states, 0)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="states"):
            ask()


@pytest.mark.parametrize("batch", [1, 7])
def test_any_batch_is_taken(model, kind, batch):
    spec, states = SPECS[kind], examples.some_states(kind, batch)
    for actions in (_act(model, states), _sample(model, states, 0)):
        assert actions.shape == ((batch,) if spec.discrete else (batch, 2))
        assert actions.dtype == (np.int64 if spec.discrete else np.float32)


def test_sample_depends_on_the_seed_alone(model, kind):
    states = np.tile(examples.central_state(kind), (50, 1))
    first, again, other = (_sample(model, states, seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.2
    assert len(np.unique(first, axis=0)) > 2  # a number for each row


@pytest.mark.parametrize(
    ("rows", "seeds"),
    [(MANY, [7]), (1, range(500))],  # as an evaluation draws them: one row, one seed a step
    ids=["rows", "seeds"],
)
def test_samples_have_the_policys_distribution(network, model, kind, rows, seeds):
    state = examples.central_state(kind)
    states = np.tile(state, (rows, 1))
    drawn = np.concatenate([_sample(model, states, seed) for seed in seeds])
    examples.check_distribution(drawn, examples.head_of(network, state[None], kind)[0], kind)


def test_samples_are_clipped_to_the_action_space(models):
    model, states = models["gaussian"], examples.some_states("gaussian", 500)
    nearest = _act(model, states)[:, 0].argmax()
    mean = _act(model, states)[nearest, 0]
    beyond = stats.norm.sf((HIGH[0] - mean) / (2.0 * np.exp(-2.0)))
    drawn = _sample(model, np.tile(states[nearest], (MANY, 1)), 0)
    assert (drawn >= LOW).all() and (drawn <= HIGH).all()
    assert beyond > 0.1
    assert abs((drawn[:, 0] == HIGH[0]).mean() - beyond) < 4 * np.sqrt(0.25 / MANY)


def test_metadata_says_what_the_policy_is(exported, kind):
    spec = SPECS[kind]
    assert json.loads((exported[kind] / "metadata.json").read_text()) == {
        "env_id": spec.env_id,
        "state_size": spec.state_size,
        "action_size": spec.action_size,
        "discrete": spec.discrete,
        "action_low": None if spec.discrete else LOW.tolist(),
        "action_high": None if spec.discrete else HIGH.tolist(),
        "first_action": 0,
        "observation": None,
        "action_shape": None,
        "max_steps": 100,
        "states": f"float32 [batch, {spec.state_size}] as observed",
        "actions": "int64 [batch]: the numbers of actions, from 0 on"
        if spec.discrete
        else "float32 [batch, 2] in environment units, within the bounds",
        **METADATA,
    }


def test_metadata_that_are_not_json_are_refused_before_anything_is_written(policy, tmp_path):
    refusal("metadata", policy.export, tmp_path / "model", {"states": np.zeros(3), "x": {1}})
    assert [*tmp_path.iterdir()] == []


TENSORFLOW_ALONE = """
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder

class Without:
    def find_spec(name, path=None, target=None):
        hidden = ("mgail_tf", "keras", "tf_keras", "tensorflow_probability")
        return None if name.split(".")[0] in hidden else PathFinder.find_spec(name, path, target)

sys.meta_path[:] = [BuiltinImporter, FrozenImporter, Without]
import tensorflow as tf

for line in sys.stdin.read().split():
    model = tf.saved_model.load(line)
    size = model.signatures["act"].structured_input_signature[1]["states"].shape[1]
    states = tf.constant([[0.25 * i for i in range(size)]] * 2)
    seed = tf.constant(3, tf.int64)
    print(model.signatures["act"](states=states)["actions"].numpy().tolist())
    print(model.signatures["sample"](states=states, seed=seed)["actions"].numpy().tolist())
assert not {"mgail_tf", "keras"} & set(sys.modules)
"""


@pytest.mark.slow
def test_exported_policies_run_where_only_tensorflow_is_installed(exported, models, tmp_path):
    done = subprocess.run(
        [sys.executable, "-I", "-c", TENSORFLOW_ALONE],
        input="\n".join(str(folder) for folder in exported.values()),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    for i, kind in enumerate(SPECS):
        states = np.tile(0.25 * np.arange(SPECS[kind].state_size, dtype=np.float32), (2, 1))
        np.testing.assert_allclose(found[2 * i], _act(models[kind], states), atol=1e-6)
        np.testing.assert_allclose(found[2 * i + 1], _sample(models[kind], states, 3), atol=1e-6)


def test_loaded_policy_acts_as_the_numpy_one(policy, exported, kind):
    spec = SPECS[kind]
    saved = SavedPolicy(exported[kind], spec)
    for state in examples.some_states(kind, 20):
        mode = policy.act(state, None)
        expected = mode if spec.discrete else np.clip(mode, -1, 1)
        np.testing.assert_allclose(saved.act(state, None), expected, atol=1e-5)
    state = examples.central_state(kind)
    drawn = [saved.act(state, np.random.default_rng(seed)) for seed in (0, *range(9))]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert len(np.unique(drawn, axis=0)) > 1
    assert drawn[0].shape == (spec.action_size,)
    np.testing.assert_allclose(saved.predict(state), policy.predict(state), rtol=1e-5, atol=1e-5)


# -- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize("mine", ["folder/notes.txt", "file"])
def test_nothing_is_overwritten(policy, tmp_path, mine):
    """Neither a folder that holds something nor a file."""
    (tmp_path / "folder").mkdir()
    (tmp_path / mine).write_text("mine")
    path = tmp_path / Path(mine).parts[0]
    refusal(path, policy.export, path)
    assert (tmp_path / mine).read_text() == "mine"
    assert [f for f in tmp_path.rglob("*") if f.is_file()] == [tmp_path / mine]


@pytest.mark.parametrize(
    "change", [{"state_size": 5}, {"action_size": 6}, {"discrete": True}, {"env_id": "Other-v0"}]
)
def test_exported_policy_of_another_environment_or_sizes_is_refused(exported, change):
    folder, spec = exported["gaussian"], SPECS["gaussian"]
    message = refusal(folder, SavedPolicy, folder, spec._replace(**change))
    assert message.startswith(f"{next(iter(change))}: ")


@pytest.mark.parametrize("metadata", [None, "{", "{}", "[1]"], ids=["none", "cut", "alone", "list"])
def test_folder_without_an_exported_policy_is_refused(tmp_path, metadata):
    if metadata is not None:
        (tmp_path / "metadata.json").write_text(metadata)
    refusal(tmp_path, SavedPolicy, tmp_path, SPECS["gaussian"])


@pytest.mark.parametrize("name", ["model", "policy.onnx"])
def test_what_cannot_be_written_is_said_in_one_line(tmp_path, monkeypatch, name):
    def full(*_):
        raise OSError(28, "No space left on device")

    kind = "onnx" if name.endswith("onnx") else "saved_model"
    monkeypatch.setattr("tensorflow.saved_model.save", full)
    monkeypatch.setattr("mgail_tf.policies.onnx_policy.write_whole", full)
    message = refusal(
        tmp_path / name, examples.policy_of("gaussian").export, tmp_path / name, format=kind
    )
    assert "cannot be written (" in message and "No space left on device" in message


def test_ctrl_c_waits_for_tensorflow_to_write(tmp_path, monkeypatch):
    handler = signal.getsignal(signal.SIGINT)

    def pressed(module, path, signatures):
        os.kill(os.getpid(), signal.SIGINT)
        Path(path).mkdir()

    monkeypatch.setattr("tensorflow.saved_model.save", pressed)
    with pytest.raises(KeyboardInterrupt):
        examples.policy_of("gaussian").export(tmp_path / "model")
    assert (tmp_path / "model").exists()
    assert signal.getsignal(signal.SIGINT) is handler
