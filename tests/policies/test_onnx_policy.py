"""The ONNX file does what the NumPy policy does, in a runtime that knows nothing of it."""

import json
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest

from mgail_tf.data.normaliser import Normaliser
from mgail_tf.envs.evaluation import evaluate
from mgail_tf.envs.gym_env import make
from mgail_tf.errors import BadInput
from mgail_tf.policies import experts
from mgail_tf.policies.onnx_policy import OnnxPolicy
from tests.checks import refusal
from tests.policies import examples
from tests.policies.examples import HIGH, LOW, SPECS

METADATA = {"scores": {"deterministic": 12.5, "stochastic": float("nan")}, "note": "ours"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "made" / "policy.onnx"


def _run(path, states):
    """Return what onnxruntime makes of states [B, S]."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (actions,) = session.run(["actions"], {"states": states})
    return actions


def _compare(policy, path, states):
    """Compare the actions in 10,000 states; where discrete ones differ, the logits are level."""
    policy.export(path, format="onnx")
    onnx.checker.check_model(onnx.load(path), full_check=True)
    found, heads = _run(path, states), policy.head(states)
    expected = np.stack([policy.predict(state) for state in states])
    assert len(np.unique(expected)) >= 2 and len(states) == 10_000
    if policy.spec.discrete:
        assert found.dtype == np.int64 and found.shape == (len(states),)
        rows = np.arange(len(states))
        first = policy.spec.first_action
        gap = heads[rows, expected - first] - heads[rows, found - first]
        assert (gap <= 1e-5).all() and (found != expected).mean() < 1e-3
    else:
        assert found.dtype == np.float32
        ranges = policy.spec.action_high - policy.spec.action_low
        assert (np.abs(found - expected) / ranges).max() <= 1e-5


def _some_components(kind, components):
    """Return the policy of each kind with a normaliser that lets it see few components."""
    policy = examples.policy_of(kind)
    seen, kernel = np.asarray(components), policy.weights[0]
    whole = policy.normaliser
    few = Normaliser(whole.mean[seen], whole.std[seen], whole.clip, seen)
    return policy._replace(normaliser=few, weights=(kernel[seen], *policy.weights[1:]))


# -- what it answers ---------------------------------------------------------------------------


def test_actions_are_the_numpy_policys(policy, kind, path):
    _compare(policy, path, examples.ten_thousand_states(kind))


def test_policy_sees_some_components_only(kind, path):
    _compare(_some_components(kind, [2, 0]), path, examples.ten_thousand_states(kind))


def test_states_far_from_zero_lose_nothing_in_float32(policy, kind, path, rng):
    size = SPECS[kind].state_size
    far = Normaliser(np.full(size, 1e4) + rng.normal(size=size), np.full(size, 1e-2), 5.0)
    states = (far.mean + far.std * rng.normal(size=(10_000, size))).astype(np.float32)
    _compare(policy._replace(normaliser=far), path, states)


@pytest.mark.parametrize("output", ["tanh", "linear"])
def test_either_output_and_actions_from_one_on(policy, kind, path, output):
    policy = policy._replace(output=output, spec=SPECS[kind]._replace(first_action=1))
    _compare(policy, path, examples.ten_thousand_states(kind))


@pytest.mark.parametrize("task", ["hopper", "cartpole"])
def test_committed_experts(task, path, rng):
    spec = make(task, 0).spec
    policy = experts.load(task, spec)
    normaliser = policy.normaliser
    drawn = rng.normal(size=(10_000, spec.state_size))
    _compare(policy, path, (normaliser.mean + 2 * normaliser.std * drawn).astype(np.float32))


def test_actions_have_the_shape_that_the_file_says(path):
    policy = examples.policy_of("gaussian")
    shaped = policy._replace(spec=policy.spec._replace(action_shape=(2, 1)))
    shaped.export(path, format="onnx")
    states = examples.some_states("gaussian")[:5]
    expected = np.stack([shaped.predict(state) for state in states])
    assert expected.shape == (5, 2, 1)
    np.testing.assert_allclose(_run(path, states), expected, rtol=1e-5, atol=1e-5)
    acted = OnnxPolicy(path, shaped.spec).act(states[0], None)
    np.testing.assert_allclose(
        acted, np.clip(shaped.act(states[0], None), -1, 1), rtol=1e-5, atol=1e-5
    )


def test_loaded_file_predicts_what_the_environment_takes(policy, kind, path):
    policy.export(path, format="onnx")
    state = examples.central_state(kind)
    found = OnnxPolicy(path, SPECS[kind]).predict(state)
    np.testing.assert_allclose(found, policy.predict(state), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("batch", [0, 1, 7])
def test_any_batch_is_taken(policy, kind, path, batch):
    policy.export(path, format="onnx")
    spec = SPECS[kind]
    actions = _run(path, examples.some_states(kind, batch))
    assert actions.shape == ((batch,) if spec.discrete else (batch, spec.action_size))


def test_file_says_what_the_policy_is(policy, kind, path):
    policy.export(path, METADATA, format="onnx")
    model, spec = onnx.load(path), SPECS[kind]
    assert (model.ir_version, model.opset_import[0].version) == (8, 17)
    found = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert found.pop("versions").startswith("python 3.")
    assert found == {
        "env_id": spec.env_id,
        "state_size": spec.state_size,
        "action_size": spec.action_size,
        "discrete": spec.discrete,
        "action_low": None if spec.discrete else LOW.tolist(),
        "action_high": None if spec.discrete else HIGH.tolist(),
        "first_action": 0,
        "max_steps": 100,
        "observation": None,
        "action_shape": None,
        "states": f"float32 [batch, {spec.state_size}] as observed",
        "actions": found["actions"],
        "scores": {"deterministic": 12.5, "stochastic": None},
        "note": "ours",
    }
    assert found["actions"].startswith("int64 [batch]" if spec.discrete else "float32 [batch, 2]")
    inputs, outputs = model.graph.input, model.graph.output
    assert [x.name for x in (*inputs, *outputs)] == ["states", "actions"]


# -- a loaded file -----------------------------------------------------------------------------


def test_loaded_policy_acts_as_the_numpy_one(policy, kind, path):
    policy.export(path, format="onnx")
    loaded, spec = OnnxPolicy(path, SPECS[kind]), SPECS[kind]
    for state in examples.some_states(kind, 20):
        mode = policy.act(state, None)
        expected = mode if spec.discrete else np.clip(mode, -1, 1)
        np.testing.assert_allclose(loaded.act(state, None), expected, atol=1e-5)


def test_loaded_policy_is_scored_deterministically_only(path):
    policy = experts.load("cartpole", make("cartpole", 0).spec)
    policy.export(path, format="onnx")
    loaded = OnnxPolicy(path, policy.spec)
    assert evaluate(loaded, "cartpole", 2) == evaluate(policy, "cartpole", 2)
    assert "deterministic" in refusal(path, evaluate, loaded, "cartpole", 2, mode="stochastic")


def test_neither_the_writer_nor_the_reader_loads_tensorflow(path):
    code = f"""
import sys, numpy, mgail_tf as mg
spec = mg.make("cartpole", 0).spec
policy = mg.NumpyPolicy.load({str(experts.weights_path("cartpole"))!r}, spec)
policy.export({str(path)!r}, format="onnx")
mg.OnnxPolicy({str(path)!r}, spec).act(numpy.zeros(4, numpy.float32), None)
assert "tensorflow" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# -- what is refused ---------------------------------------------------------------------------


def test_nothing_is_overwritten_and_nothing_half_written(policy, path, monkeypatch):
    path.parent.mkdir()
    path.write_text("mine")
    assert "exists" in refusal(path, policy.export, path, format="onnx")
    assert path.read_text() == "mine"
    path.unlink()
    refusal("metadata", policy.export, path, {"scores": np.zeros(3)}, format="onnx")

    def fail(model, full_check):
        raise KeyboardInterrupt

    monkeypatch.setattr(onnx.checker, "check_model", fail)
    with pytest.raises(KeyboardInterrupt):
        policy.export(path, format="onnx")
    assert [*path.parent.iterdir()] == []


def test_format_and_name_must_fit(policy, tmp_path):
    for name, kind in (("policy", "onnx"), ("policy.onnx", "saved_model"), ("policy.bin", "onnx")):
        refusal(tmp_path / name, policy.export, tmp_path / name, format=kind)
    refusal("format", policy.export, tmp_path / "policy", format="tflite")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    "change", [{"state_size": 5}, {"action_size": 6}, {"discrete": True}, {"env_id": "Other-v0"}]
)
def test_policy_of_another_environment_or_sizes_is_refused(path, change):
    examples.policy_of("gaussian").export(path, format="onnx")
    message = refusal(path, OnnxPolicy, path, SPECS["gaussian"]._replace(**change))
    assert message.startswith(f"{next(iter(change))}: ")


def test_missing_damaged_and_foreign_files_are_refused(path, tmp_path):
    spec = SPECS["gaussian"]
    assert refusal(path, OnnxPolicy, path, spec) == "no such policy file"
    examples.policy_of("gaussian").export(path, format="onnx")
    whole = path.read_bytes()
    assert "no such" in refusal(path.parent, OnnxPolicy, path.parent, spec)
    for content in (b"", b"some text\n", whole[: len(whole) // 2], whole[:-40], b"\xff" * 300):
        path.write_bytes(content)
        refusal(path, OnnxPolicy, path, spec)
    model = onnx.load_from_string(whole)
    del model.metadata_props[:]  # as another program's
    onnx.save_model(model, path)
    assert refusal(path, OnnxPolicy, path, spec).startswith("env_id: found None, expected ")


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_missing_package_is_said_in_one_line(policy, kind, path, monkeypatch, package):
    policy.export(path, format="onnx")
    monkeypatch.setitem(sys.modules, package, None)  # an import of it fails
    with pytest.raises(BadInput, match=rf"needs {package}, .*pip install -e '.\[onnx\]'"):
        if package == "onnx":
            policy.export(path.with_name("other.onnx"), format="onnx")
        else:
            OnnxPolicy(path, SPECS[kind])
