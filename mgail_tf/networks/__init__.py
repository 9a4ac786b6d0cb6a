"""The networks, one a file; all take standardised states and actions in [-1, 1] or one-hot."""

import warnings

import keras

from mgail_tf.errors import BadInput

if keras.backend.backend() != "tensorflow":
    raise BadInput(
        f"Keras: found the backend {keras.backend.backend()}, expected tensorflow: import mgail_tf "
        "before keras, or set KERAS_BACKEND=tensorflow"
    )
if keras.config.floatx() != "float32":
    warnings.warn(
        f"Keras: floatx is {keras.config.floatx()}; mgail_tf sets it to float32", stacklevel=2
    )
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
