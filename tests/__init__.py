"""The tests. They run as the scripts do: `_flags` chooses OpenBLAS's kernel before NumPy loads."""

import importlib

importlib.import_module("_flags")
# what XLA compiles is kept: TensorFlow, which is not imported yet, reads where
importlib.import_module("mgail_tf.training.compile_cache").prepare()
