"""One policy, three forms: NumPy, Keras and SavedModel do the same."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from mgail_tf import actor as actors
from mgail_tf import export
from mgail_tf.networks.policy import CategoricalPolicy, GaussianPolicy, from_numpy, to_numpy
from mgail_tf.normaliser import Normaliser
from mgail_tf.types import BadInput, Spec

HIGH = np.array([2.0, 5.0], np.float32)
LOW = np.array([-2.0, 1.0], np.float32)
SPECS = {
    "gaussian": Spec("Some-v0", 3, 2, False, LOW, HIGH, 100),
    "categorical": Spec("Other-v0", 4, 3, True, -np.ones(3), np.ones(3), 100),
}
SCALE = {1: 0.2, 2: 0.5}  # of random biases, of random kernels
MANY = 20_000


def _policy(kind):
    """Return a Keras policy with weights of a size that shows, in every layer."""
    spec, rng = SPECS[kind], np.random.default_rng(2)
    if spec.discrete:
        policy = CategoricalPolicy(spec, [7, 6], "tanh", 0, 1.0)
        trunk = policy.logits
    else:
        policy = GaussianPolicy(spec, [7, 6], "relu", 0, -1.0, learn_std=True)
        policy.log_std.assign([-2.0, -1.5])
        trunk = policy.mean
    trunk.set_weights([SCALE[w.ndim] * rng.normal(size=w.shape) for w in trunk.get_weights()])
    return policy


def _normaliser(kind):
    size = SPECS[kind].state_size
    return Normaliser(np.linspace(-1, 1, size), np.geomspace(0.01, 3, size), 4.0)


def _head(policy, states, kind):
    """Return the Keras policy's mean or logits [B, A] for states in environment units."""
    normaliser = _normaliser(kind)
    scaled = np.clip((states.astype(np.float64) - normaliser.mean) / normaliser.std, -4, 4)
    return policy(scaled.astype(np.float32)).numpy()


def _states(kind, count=200):
    rng, spec = np.random.default_rng(1), SPECS[kind]
    return (3 * rng.normal(size=(count, spec.state_size))).astype(np.float32)


def _extreme(kind):
    """Return finite states as large and as small as float32 has them."""
    most = np.finfo(np.float32).max
    rows = np.array([most, -most, 1e30, -1e30, 1e-40, 0.0], np.float32)
    return np.stack([np.roll(rows, i) for i in range(SPECS[kind].state_size)], 1)


def _ten_thousand(kind):
    """Return states of every size that float32 has, near ones and extreme ones."""
    rng, size = np.random.default_rng(4), SPECS[kind].state_size
    near = _normaliser(kind).mean + 2 * _normaliser(kind).std * rng.normal(size=(5000, size))
    far = rng.choice([-1, 1], (5000, size)) * 10.0 ** rng.uniform(-44, 38, (5000, size))
    return np.concatenate([near, far]).astype(np.float32)


def _applied(head, spec):
    """Return what the environment does with a head's mode."""
    if spec.discrete:
        return head.argmax(-1)
    return np.clip((HIGH + LOW) / 2 + (HIGH - LOW) / 2 * head, LOW, HIGH)


@pytest.fixture(params=list(SPECS))
def kind(request):
    return request.param


@pytest.fixture
def policy(kind):
    return _policy(kind)


@pytest.fixture
def actor(policy, kind):
    return to_numpy(policy, _normaliser(kind))


def test_policy_sees_the_first_components_only(kind, tmp_path):
    spec, rng = SPECS[kind], np.random.default_rng(5)
    seen = spec._replace(state_size=2)
    trained = from_numpy(to_numpy(_policy(kind), _normaliser(kind)), spec)
    kernel, *rest = to_numpy(trained, _normaliser(kind)).weights
    normaliser = Normaliser(np.array([0.5, -1.0]), np.array([0.3, 2.0]), 4.0)
    actor = to_numpy(trained, normaliser)._replace(weights=(kernel[:2], *rest))
    states = rng.normal(size=(50, spec.state_size)).astype(np.float32)
    expected = from_numpy(actor, seen)(normaliser(states)).numpy()
    np.testing.assert_allclose(actor.head(states), expected, atol=1e-6)
    export.save(tmp_path / "model", actor, spec, {})
    saved = tf.saved_model.load(str(tmp_path / "model"))
    np.testing.assert_allclose(_act(saved, states), _applied(expected, spec), atol=1e-6)
    actor.save(tmp_path / "policy.npz", spec)
    again = actors.load(tmp_path / "policy.npz", spec)
    np.testing.assert_array_equal(again.head(states), actor.head(states))


# -- NumPy and Keras -------------------------------------------------------------------------


@pytest.mark.parametrize("states", [_states, _extreme])
def test_numpy_policy_is_the_keras_policy(policy, actor, kind, states):
    states = states(kind)
    head = _head(policy, states, kind)
    assert np.isfinite(head).all() and np.ptp(head, axis=0).min() > 0.1
    np.testing.assert_allclose(actor.head(states), head, atol=1e-5)
    for state, row in zip(states, head, strict=True):
        mode = np.eye(3)[row.argmax()] if SPECS[kind].discrete else row
        np.testing.assert_allclose(actor.act(state, None), mode, atol=1e-5)


def test_keras_policy_comes_back_from_numpy(policy, actor, kind):
    again = from_numpy(actor, SPECS[kind])
    states = _states(kind)
    np.testing.assert_array_equal(again(states), policy(states))
    noise = policy.draw_noise(np.random.default_rng(2), (200, SPECS[kind].action_size))
    np.testing.assert_array_equal(again.sample(states, noise), policy.sample(states, noise))


def test_actor_keeps_its_weights_when_the_policy_learns(policy, actor, kind):
    state = _states(kind)[0]
    before = actor.head(state), actor.act(state, np.random.default_rng(0))
    for variable in policy.trainable_variables:
        variable.assign(variable + 1.0)
    np.testing.assert_array_equal(actor.head(state), before[0])
    np.testing.assert_array_equal(actor.act(state, np.random.default_rng(0)), before[1])


def _check_distribution(drawn, head, kind):
    """Compare many actions in environment units at one state with the policy's law."""
    if SPECS[kind].discrete:
        p = special.softmax(head)
        frequency = np.bincount(drawn, minlength=3) / len(drawn)
        assert np.abs(frequency - p).max() < 4 * np.sqrt(0.25 / len(drawn))
        assert p.min() > 0.05 and p.max() > 0.5
        return
    mean = _applied(head, SPECS[kind])
    std = np.exp([-2.0, -1.5]) * (HIGH - LOW) / 2
    assert (mean - 4 * std > LOW).all() and (mean + 4 * std < HIGH).all()  # so nothing is clipped
    for component, m, s in zip(drawn.T, mean, std, strict=True):
        assert stats.kstest((component - m) / s, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 4 / np.sqrt(len(drawn))


def _central_state(kind):
    """Return a state [S] where no action is clipped, or all are possible but not alike."""
    normaliser, spec = _normaliser(kind), SPECS[kind]
    scaled = np.random.default_rng(5).normal(size=(500, spec.state_size))
    states = (normaliser.mean + normaliser.std * scaled).astype(np.float32)
    head = _head(_policy(kind), states, kind)
    if spec.discrete:
        possible = special.softmax(head, -1).min(-1) > 0.05
        return states[np.where(possible, np.ptp(head, axis=-1), 0).argmax()]
    return states[np.abs(head).max(-1).argmin()]


def test_numpy_samples_have_the_policys_distribution(policy, actor, kind):
    state, spec = _central_state(kind), SPECS[kind]
    rng = np.random.default_rng(3)
    drawn = np.stack([actor.act(state, rng) for _ in range(MANY)])
    if spec.discrete:
        np.testing.assert_array_equal(drawn.sum(-1), 1.0)
        drawn = drawn.argmax(-1)
    else:
        drawn = (HIGH + LOW) / 2 + (HIGH - LOW) / 2 * drawn
    _check_distribution(drawn, _head(policy, state[None], kind)[0], kind)


# -- files -----------------------------------------------------------------------------------


def test_saved_actor_comes_back(actor, kind, tmp_path):
    actor.save(tmp_path / "policy.npz", SPECS[kind])
    loaded = actors.load(tmp_path / "policy.npz", SPECS[kind])
    states = _states(kind)
    np.testing.assert_array_equal(loaded.head(states), actor.head(states))
    samples = [a.act(states[0], np.random.default_rng(4)) for a in (loaded, actor)]
    np.testing.assert_array_equal(*samples)
    with np.load(tmp_path / "policy.npz", allow_pickle=False) as data:
        assert str(data["env_id"]) == SPECS[kind].env_id


def _refusal(path, spec):
    with pytest.raises(BadInput) as refused:
        actors.load(path, spec)
    message = str(refused.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message


def test_missing_policy_file_is_refused(tmp_path):
    assert "no such" in _refusal(tmp_path / "none.npz", SPECS["gaussian"])


@pytest.mark.parametrize(
    "content", [b"", b"some text\n", b"PK\x03\x04 no zip", b"\x80\x04]\x94."], ids=repr
)
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "policy.npz").write_bytes(content)
    assert "not a policy file" in _refusal(tmp_path / "policy.npz", SPECS["gaussian"])


def test_directory_is_refused(tmp_path):
    assert "not a policy file" in _refusal(tmp_path, SPECS["gaussian"])


def test_other_arrays_are_refused(tmp_path):
    np.savez(tmp_path / "policy.npz", states=np.zeros(3))
    _refusal(tmp_path / "policy.npz", SPECS["gaussian"])


def test_bare_array_is_refused(tmp_path):
    with (tmp_path / "policy.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    _refusal(tmp_path / "policy.npz", SPECS["gaussian"])


def test_damage_anywhere_in_a_policy_file_is_refused_or_harmless(tmp_path):
    path, states = tmp_path / "policy.npz", _states("gaussian", 3)
    to_numpy(_policy("gaussian"), _normaliser("gaussian")).save(path, SPECS["gaussian"])
    whole, expected = path.read_bytes(), actors.load(path, SPECS["gaussian"]).head(states)
    refused = 0
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            loaded = actors.load(path, SPECS["gaussian"])
        except BadInput as error:
            assert str(path) in str(error) and "\n" not in str(error)
            refused += 1
        else:
            np.testing.assert_array_equal(loaded.head(states), expected)
    assert refused > 100


@pytest.mark.parametrize(
    "changes",
    [
        {"layer03": None},
        {"layer02": np.zeros((8, 6), np.float32)},
        {"layer01": np.zeros(6, np.float32)},
        {"log_std": np.zeros(3, np.float32)},
        {"state_mean": np.zeros(4)},
        {"activation": "step"},
        {"output": None},
    ],
    ids=lambda changes: "".join(changes),
)
def test_policy_file_whose_parts_do_not_fit_one_another_is_refused(tmp_path, changes):
    path, spec = tmp_path / "policy.npz", SPECS["gaussian"]
    to_numpy(_policy("gaussian"), _normaliser("gaussian")).save(path, spec)
    with np.load(path) as data:
        arrays = {name: data[name] for name in data.files} | changes
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})
    _refusal(path, spec)


@pytest.mark.parametrize("change", [{"state_size": 5}, {"action_size": 6}, {"discrete": None}])
def test_policy_for_other_sizes_is_refused(actor, kind, tmp_path, change):
    spec = SPECS[kind]
    actor.save(tmp_path / "policy.npz", spec)
    if "discrete" in change:
        change = {"discrete": not spec.discrete}
    message = _refusal(tmp_path / "policy.npz", spec._replace(**change))
    says = {
        "state_size": f"state_mean: size: found ({spec.state_size},), expected (5,)",
        "action_size": f"found {spec.action_size}, expected 6",
        "discrete": f"discrete: found {spec.discrete}, expected {not spec.discrete}",
    }
    assert says[next(iter(change))] in message


# -- SavedModel ------------------------------------------------------------------------------

METADATA = {"versions": "python 3", "scores": {"deterministic": 12.5, "stochastic": -3.0}}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Return the folder of each kind's SavedModel."""
    folders = {}
    for kind in SPECS:
        folders[kind] = tmp_path_factory.mktemp("exported") / "made" / kind
        actor = to_numpy(_policy(kind), _normaliser(kind))
        export.save(folders[kind], actor, SPECS[kind], METADATA)
    return folders


@pytest.fixture(scope="module")
def loaded(exported):
    return {kind: tf.saved_model.load(str(folder)) for kind, folder in exported.items()}


def _act(model, states):
    return model.signatures["act"](states=tf.constant(states))["actions"].numpy()


def _sample(model, states, seed):
    seed = tf.constant(seed, tf.int64)
    return model.signatures["sample"](states=tf.constant(states), seed=seed)["actions"].numpy()


@pytest.mark.parametrize("states", [_states, _extreme, _ten_thousand])
def test_exported_act_is_the_keras_policys_mode_in_environment_units(policy, loaded, kind, states):
    states = states(kind)
    expected = _applied(_head(policy, states, kind), SPECS[kind])
    actions = _act(loaded[kind], states)
    np.testing.assert_allclose(actions, expected, rtol=1e-6, atol=1e-6)
    assert len(np.unique(expected)) >= 2
    np.testing.assert_array_equal(loaded[kind].act(states)["actions"], actions)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_exported_policy_answers_states_that_are_not_finite_with_an_error(loaded, kind, value):
    states = _states(kind, 5)
    states[3, 1] = value
    for ask in (lambda: _act(loaded[kind], states), lambda: _sample(loaded[kind], states, 0)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="states: expected finite"):
            ask()


@pytest.mark.parametrize("batch", [1, 7])
def test_exported_policy_takes_any_batch(loaded, kind, batch):
    spec, states = SPECS[kind], _states(kind, batch)
    for actions in (_act(loaded[kind], states), _sample(loaded[kind], states, 0)):
        assert actions.shape == ((batch,) if spec.discrete else (batch, 2))
        assert actions.dtype == (np.int64 if spec.discrete else np.float32)


def test_exported_sample_depends_on_the_seed_alone(loaded, kind):
    states = np.tile(_central_state(kind), (50, 1))
    first, again, other = (_sample(loaded[kind], states, seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.2
    assert len(np.unique(first, axis=0)) > 2  # a number for each row


def test_exported_samples_have_the_policys_distribution(policy, loaded, kind):
    state = _central_state(kind)
    drawn = _sample(loaded[kind], np.tile(state, (MANY, 1)), 7)
    _check_distribution(drawn, _head(policy, state[None], kind)[0], kind)


def test_exported_samples_of_consecutive_seeds_have_the_policys_distribution(policy, loaded, kind):
    """As an evaluation draws them: one row, one seed a step."""
    state = _central_state(kind)
    drawn = np.concatenate([_sample(loaded[kind], state[None], seed) for seed in range(500)])
    _check_distribution(drawn, _head(policy, state[None], kind)[0], kind)


def test_exported_samples_are_clipped_to_the_action_space(loaded):
    states = _states("gaussian", 500)
    nearest = _act(loaded["gaussian"], states)[:, 0].argmax()
    mean = _act(loaded["gaussian"], states)[nearest, 0]
    beyond = stats.norm.sf((HIGH[0] - mean) / (2.0 * np.exp(-2.0)))
    drawn = _sample(loaded["gaussian"], np.tile(states[nearest], (MANY, 1)), 0)
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
        **METADATA,
    }


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


def test_exported_policies_run_where_only_tensorflow_is_installed(exported, loaded, tmp_path):
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
        np.testing.assert_allclose(found[2 * i], _act(loaded[kind], states), atol=1e-6)
        np.testing.assert_allclose(found[2 * i + 1], _sample(loaded[kind], states, 3), atol=1e-6)


def test_loaded_policy_acts_as_the_numpy_one(actor, exported, kind):
    spec = SPECS[kind]
    saved = export.SavedPolicy(exported[kind], spec)
    for state in _states(kind, 20):
        mode = actor.act(state, None)
        expected = mode if spec.discrete else np.clip(mode, -1, 1)
        np.testing.assert_allclose(saved.act(state, None), expected, atol=1e-5)
    drawn = [saved.act(_central_state(kind), np.random.default_rng(s)) for s in (0, *range(9))]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert len(np.unique(drawn, axis=0)) > 1
    assert drawn[0].shape == (spec.action_size,)


def _export_refusal(make, path):
    with pytest.raises(BadInput) as refused:
        make()
    message = str(refused.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message


def test_folder_that_holds_something_is_not_written_to(actor, kind, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    message = _export_refusal(lambda: export.save(tmp_path, actor, SPECS[kind], {}), tmp_path)
    assert "not empty" in message
    assert [f.name for f in tmp_path.iterdir()] == ["notes.txt"]


def test_file_is_not_overwritten_by_an_export(actor, kind, tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    _export_refusal(lambda: export.save(path, actor, SPECS[kind], {}), path)
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    "change", [{"state_size": 5}, {"action_size": 6}, {"discrete": True}, {"env_id": "Other-v0"}]
)
def test_exported_policy_of_another_environment_or_sizes_is_refused(exported, change):
    folder, spec = exported["gaussian"], SPECS["gaussian"]
    message = _export_refusal(lambda: export.SavedPolicy(folder, spec._replace(**change)), folder)
    ((name, expected),) = change.items()
    assert f"{name}: found {getattr(spec, name)}, expected {expected}" in message


@pytest.mark.parametrize("metadata", [None, "{", "{}"], ids=["none", "cut", "alone"])
def test_folder_without_an_exported_policy_is_refused(tmp_path, metadata):
    if metadata is not None:
        (tmp_path / "metadata.json").write_text(metadata)
    _export_refusal(lambda: export.SavedPolicy(tmp_path, SPECS["gaussian"]), tmp_path)


def test_ctrl_c_waits_for_tensorflow_to_write(tmp_path, monkeypatch):
    handler = signal.getsignal(signal.SIGINT)

    def pressed(module, path, signatures):
        os.kill(os.getpid(), signal.SIGINT)
        Path(path).mkdir()

    monkeypatch.setattr("tensorflow.saved_model.save", pressed)
    numpy_policy = to_numpy(_policy("gaussian"), _normaliser("gaussian"))
    with pytest.raises(KeyboardInterrupt):
        export.save(tmp_path / "model", numpy_policy, SPECS["gaussian"], {})
    assert (tmp_path / "model").exists()
    assert signal.getsignal(signal.SIGINT) is handler
