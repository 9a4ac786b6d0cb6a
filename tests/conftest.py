"""Shared fixtures: the toys are registered, specs, float64 networks and eager functions."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
import tensorflow as tf

from mgail_tf.types import Spec
from tests import toys

tf.config.threading.set_intra_op_parallelism_threads(1)  # as the scripts do
tf.config.threading.set_inter_op_parallelism_threads(1)
# graphs here run a few times only: what Grappler makes of them costs more than it saves
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
toys.register()


@pytest.fixture
def float64():
    """Build networks in double precision, for gradients compared to 1e-10."""
    for name in ("float64", "float32"):
        keras.config.set_floatx(name)
        keras.config.set_dtype_policy(name)  # Keras keeps the first one it was asked for
        if name == "float64":
            yield


@pytest.fixture
def eager():
    """Run compiled functions as plain Python: tracing these networks takes longer than running."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def continuous() -> Spec:
    ones = np.ones(2, np.float32)
    return Spec("Some-v0", 3, 2, False, -2 * ones, 2 * ones, 100)


@pytest.fixture
def discrete() -> Spec:
    ones = np.ones(3, np.float32)
    return Spec("Some-v0", 4, 3, True, -ones, ones, 100)


@pytest.fixture(params=["continuous", "discrete"])
def spec(request) -> Spec:
    """A continuous and a discrete environment, one after the other."""
    return request.getfixturevalue(request.param)
