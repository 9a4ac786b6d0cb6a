"""The NumPy policy does what the Keras one does, and its file comes back or is refused."""

import numpy as np
import pytest

from mgail_tf.data.normaliser import Normaliser
from mgail_tf.networks.policy import to_numpy
from mgail_tf.policies.composed import load_policy
from mgail_tf.policies.numpy_policy import NumpyPolicy
from tests.checks import check_damage, refusal
from tests.policies import examples
from tests.policies.examples import HIGH, LOW, MANY, SPECS

GAUSSIAN = SPECS["gaussian"]


@pytest.mark.parametrize("states", [examples.some_states, examples.extreme_states])
def test_numpy_policy_is_the_keras_policy(network, policy, kind, states):
    states, spec = states(kind), SPECS[kind]
    head = examples.head_of(network, states, kind)
    assert np.isfinite(head).all() and np.ptp(head, axis=0).min() > 0.1
    np.testing.assert_allclose(policy.head(states), head, atol=1e-5)
    for state, row, action in zip(states, head, examples.applied(head, spec), strict=True):
        mode = np.eye(3)[row.argmax()] if spec.discrete else row
        np.testing.assert_allclose(policy.act(state, None), mode, atol=1e-5)
        np.testing.assert_allclose(policy.predict(state), action, rtol=1e-5, atol=1e-5)


def test_policy_sees_some_components_only(kind, tmp_path):
    spec, path = SPECS[kind], tmp_path / "policy.npz"
    network = examples.network_of(kind, spec._replace(state_size=2))
    normaliser = Normaliser(np.array([0.5, -1.0]), np.array([0.3, 2.0]), 4.0, np.array([0, 2]))
    policy = to_numpy(network, normaliser, spec)
    states = np.random.default_rng(5).normal(size=(50, spec.state_size)).astype(np.float32)
    expected = network(normaliser(states)).numpy()
    np.testing.assert_allclose(policy.head(states), expected, atol=1e-6)
    policy.save(path)
    np.testing.assert_array_equal(NumpyPolicy.load(path, spec).head(states), policy.head(states))
    direct = to_numpy(network, normaliser._replace(components=None), spec._replace(state_size=2))
    direct = direct._replace(normaliser=normaliser._replace(components=[2, 0]), spec=spec)
    direct.save(tmp_path / "direct.npz")
    loaded = NumpyPolicy.load(tmp_path / "direct.npz", spec)
    np.testing.assert_array_equal(loaded.head(states), direct.head(states))


def test_policy_keeps_its_weights_when_the_network_learns(network, kind):
    policy = to_numpy(network, examples.normaliser_of(kind), SPECS[kind])
    state = examples.some_states(kind)[0]
    before = policy.head(state), policy.act(state, np.random.default_rng(0))
    for variable in network.trainable_variables:
        variable.assign(variable + 1.0)
    np.testing.assert_array_equal(policy.head(state), before[0])
    np.testing.assert_array_equal(policy.act(state, np.random.default_rng(0)), before[1])


def test_numpy_samples_have_the_policys_distribution(network, policy, kind):
    state, spec = examples.central_state(kind), SPECS[kind]
    rng = np.random.default_rng(3)
    drawn = np.stack([policy.act(state, rng) for _ in range(MANY)])
    if spec.discrete:
        np.testing.assert_array_equal(drawn.sum(-1), 1.0)
        drawn = drawn.argmax(-1)
    else:
        drawn = (HIGH + LOW) / 2 + (HIGH - LOW) / 2 * drawn
    examples.check_distribution(drawn, examples.head_of(network, state[None], kind)[0], kind)


@pytest.mark.parametrize("first", [0, 1])
def test_prediction_is_the_action_that_the_environment_takes(policy, kind, first):
    """A list is a state too; a sample is drawn as `act` draws it, numbered or clipped."""
    spec = SPECS[kind]._replace(first_action=first)
    policy = policy._replace(spec=spec)
    for state in examples.some_states(kind, 50):
        sample = policy.act(state, np.random.default_rng(0))
        predicted = policy.predict(state.tolist(), np.random.default_rng(0))
        if spec.discrete:
            assert (predicted.shape, predicted) == ((), first + sample.argmax())
        else:
            expected = np.clip((HIGH + LOW) / 2 + (HIGH - LOW) / 2 * sample, LOW, HIGH)
            np.testing.assert_array_equal(predicted, expected)


# -- files -----------------------------------------------------------------------------------


def test_saved_policy_comes_back(policy, kind, tmp_path):
    path = tmp_path / "policy.npz"
    policy.save(path)
    loaded, states = NumpyPolicy.load(path, SPECS[kind]), examples.some_states(kind)
    np.testing.assert_array_equal(loaded.head(states), policy.head(states))
    samples = [p.act(states[0], np.random.default_rng(4)) for p in (loaded, policy)]
    np.testing.assert_array_equal(*samples)
    with np.load(path, allow_pickle=False) as data:
        assert str(data["env_id"]) == SPECS[kind].env_id


def _refusal(path, spec=GAUSSIAN):
    return refusal(path, NumpyPolicy.load, path, spec)


@pytest.mark.parametrize(
    "content", [None, b"", b"some text\n", b"PK\x03\x04 no zip", b"\x80\x04]\x94."], ids=repr
)
def test_missing_and_other_files_are_refused(tmp_path, content):
    path = tmp_path / "policy.npz"
    if content is not None:
        path.write_bytes(content)
    _refusal(path)


def test_directory_other_arrays_and_a_bare_one_are_refused(tmp_path):
    _refusal(tmp_path)
    np.savez(tmp_path / "others.npz", states=np.zeros(3))
    _refusal(tmp_path / "others.npz")
    with (tmp_path / "bare.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    _refusal(tmp_path / "bare.npz")


def test_damage_anywhere_in_a_policy_file_is_refused_or_harmless(tmp_path):
    path, states = tmp_path / "policy.npz", examples.some_states("gaussian", 3)
    examples.policy_of("gaussian").save(path)
    check_damage(path, 7, lambda: NumpyPolicy.load(path, GAUSSIAN).head(states))


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("layer03", None, "layer"),
        ("layer02", np.zeros((8, 6), np.float32), "layer02"),
        ("layer01", np.zeros(6, np.float32), "layer00"),
        ("log_std", np.zeros(3, np.float32), "log_std"),
        ("state_mean", np.zeros(4), "state_mean"),
        ("activation", "step", "activation"),
        ("state_components", np.arange(2), "state_components: size"),
        ("state_components", np.array([0, 1, 9]), "state_components: are components"),
        ("state_components", np.array([0.0, 1.0, 2.0]), "state_components: are components"),
        ("output", None, "output"),
    ],
)
def test_policy_file_whose_parts_do_not_fit_one_another_is_refused(tmp_path, name, value, named):
    path = tmp_path / "policy.npz"
    examples.policy_of("gaussian").save(path)
    with np.load(path) as data:
        arrays = {name: data[name] for name in data.files} | {name: value}
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})
    assert named in _refusal(path)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda spec: {"state_size": 5}, "state_mean"),
        (lambda spec: {"action_size": 6}, "actions"),
        (lambda spec: {"discrete": not spec.discrete}, "discrete"),
        (lambda spec: {"env_id": "Third-v0"}, "env_id"),
    ],
    ids=["state_size", "action_size", "discrete", "env_id"],
)
def test_policy_of_another_environment_or_sizes_is_refused(policy, kind, tmp_path, change, named):
    spec, path = SPECS[kind], tmp_path / "policy.npz"
    policy.save(path)
    assert named in _refusal(path, spec._replace(**change(spec)))


def test_policy_is_read_from_the_folder_of_its_run(tmp_path):
    policy = examples.policy_of("gaussian")
    policy.save(tmp_path / "policy.npz")
    found = load_policy(tmp_path, SPECS["gaussian"])
    np.testing.assert_array_equal(found.weights[0], policy.weights[0])


def test_policy_of_another_version_is_taken_with_a_warning(tmp_path):
    spec, path = SPECS["gaussian"], tmp_path / "policy.npz"
    examples.policy_of("gaussian").save(path)
    name = spec.env_id.split("-v")[0]
    with pytest.warns(UserWarning, match=f"found {spec.env_id}, another version of {name}-v99"):
        policy = NumpyPolicy.load(path, spec._replace(env_id=f"{name}-v99"))
    assert policy.spec.env_id == f"{name}-v99"


@pytest.mark.parametrize("wrong", ["batch", "scalar", "nan"])
def test_what_is_no_observation_is_refused(policy, kind, wrong):
    states = examples.some_states(kind)
    observation = {"batch": states[:8], "scalar": 1.0, "nan": states[0] * np.nan}[wrong]
    with pytest.raises(ValueError, match="observation: found"):
        policy.predict(observation)


def test_saving_replaces_nothing_and_takes_the_name_as_it_is(policy, tmp_path):
    path = tmp_path / "made" / "policy"
    policy.save(path)
    before = path.read_bytes()
    assert "exists" in refusal(str(path), policy.save, path)
    assert path.read_bytes() == before and [*path.parent.iterdir()] == [path]
