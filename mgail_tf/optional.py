"""Packages that only some formats need."""

import importlib
from typing import Any

from mgail_tf.errors import BadInput


def imported(source: str, module: str, extra: str) -> Any:
    """Return a module of an optional dependency.

    Args:
        source: what messages call that which needs it.
        extra: of this package, which installs it.

    Raises:
        BadInput: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        install = f"pip install -e '.[{extra}]'"
        raise BadInput(f"{source}: needs {module}, which is not installed: {install}") from error
