"""The exported policy's default signature: what Keras, TensorFlow Serving and TFLite load."""

import json

import numpy as np
import pytest
import tensorflow as tf

from mgail_tf.data.normaliser import Normaliser
from mgail_tf.envs.gym_env import make
from mgail_tf.policies import experts


@pytest.mark.slow
@pytest.mark.parametrize("task", ["hopper", "cartpole"])
def test_tflite_acts_as_the_numpy_policy(tmp_path, rng, task):
    spec = make(task, 0).spec
    policy = experts.load(task, spec)
    policy.export(tmp_path / "model")
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(tmp_path / "model"), signature_keys=["serving_default"]
    )
    with pytest.warns(UserWarning):  # TensorFlow 2.21 announces another interpreter
        interpreter = tf.lite.Interpreter(model_content=converter.convert())
    act = interpreter.get_signature_runner("serving_default")
    for state in rng.normal(size=(20, 1, spec.state_size)).astype(np.float32):
        np.testing.assert_allclose(
            act(states=state)["actions"][0], policy.predict(state[0]), 0, 1e-5
        )


def test_states_far_from_zero_lose_nothing_in_float32(tmp_path, rng):
    spec = make("hopper", 0).spec
    policy = experts.load("hopper", spec)
    far = Normaliser(np.full(11, 1e4) + rng.normal(size=11), np.full(11, 1e-2), 5.0)
    policy = policy._replace(normaliser=far)
    policy.export(tmp_path / "model")
    model = tf.saved_model.load(str(tmp_path / "model"))
    states = (far.mean + far.std * rng.normal(size=(50, 11))).astype(np.float32)
    found = model.signatures["serving_default"](states=tf.constant(states))["actions"]
    expected = np.stack([policy.predict(state) for state in states])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_metadata_is_json_for_everyone_and_tells_the_actions_bounds(tmp_path):
    spec = make("hopper", 0).spec
    experts.load("hopper", spec).export(tmp_path / "model", {"expert_return": float("nan")})

    def refuse(constant):
        raise AssertionError(constant)

    text = (tmp_path / "model/metadata.json").read_text()
    metadata = json.loads(text, parse_constant=refuse)
    assert metadata["expert_return"] is None
    assert metadata["action_low"] == [-1.0] * 3 and metadata["action_high"] == [1.0] * 3
