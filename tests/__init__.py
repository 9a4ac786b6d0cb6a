"""The tests. They run as the scripts do: `_flags` chooses OpenBLAS's kernel before NumPy loads."""

import importlib

importlib.import_module("_flags")
