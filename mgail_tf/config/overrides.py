"""`key=value` texts, as --set takes them."""

import ast
import dataclasses
import difflib
from collections.abc import Sequence
from typing import Any

from mgail_tf.errors import BadInput

_WORDS = {"true": True, "false": False, "none": None}
_FLAGS = ("env_steps", "seed", "episodes", "num_trajectories", "subsample", "preset")


def override(config: Any, assignments: Sequence[str]) -> Any:
    """Return the settings with `key=value` texts applied; none, true and false are words.

    Raises:
        BadInput: a text is no assignment, its key is unknown, or its value is not possible.
    """
    known = [field.name for field in dataclasses.fields(config)]
    changes = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise BadInput(f"--set {_line(assignment)}: found no '=', expected key=value")
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            if key in _FLAGS:
                hint = f"--{key} is a flag of its own; "
            raise BadInput(
                f"--set {_line(assignment)}: unknown key {key!r}; {hint}known: {', '.join(known)}"
            )
        changes[key] = _value(text)
    try:
        return dataclasses.replace(config, **changes)
    except BadInput as error:
        raise BadInput(f"--set {_line(' '.join(assignments))}: {error}") from None


def _line(text: str) -> str:
    return " ".join(text.split())


def _value(text: str) -> Any:
    """Return the Python literal that a text is, or the text itself; 1e4 is a whole number."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text
    if isinstance(value, float) and "e" in text.lower() and value.is_integer():
        return int(value)
    return value
