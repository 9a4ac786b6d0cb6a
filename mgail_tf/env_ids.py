"""Gymnasium ids: whether what a file names is the environment that it is used with."""

import re
import warnings

from mgail_tf.errors import BadInput

_ENV_ID = re.compile(r"(?:(?P<namespace>.+)/)?(?P<name>[^/]+?)(?:-v(?P<version>\d+))?")


def is_other_version(source: str, found: str, expected: str) -> bool:
    """Return whether a file names another version of an environment: then sizes have to tell.

    Either id may lack the namespace, or name the module that registers the environment.

    Args:
        source: what messages call the file.

    Raises:
        BadInput: it names another environment.
    """
    ours, theirs = _parts_of(found), _parts_of(expected)
    unknown = not ours[0] or not theirs[0]
    if ours[1] != theirs[1] or not (unknown or ours[0] == theirs[0]):
        named = " ".join(found.split())  # a file may hold any text
        raise BadInput(f"{source}: env_id: found {named}, expected {expected}")
    return ours[2] != theirs[2]


def warn_of_version(source: str, found: str, expected: str) -> None:
    """Say that a file is of another version of an environment, and is taken all the same."""
    warnings.warn(
        f"{source}: env_id: found {found}, another version of {expected}; states and actions have "
        "the same sizes, and are taken to mean the same",
        stacklevel=3,
    )


def _parts_of(env_id: str) -> tuple[str, str, str]:
    """Return the namespace, the name and the version of a Gymnasium id; "" for what it lacks."""
    match = _ENV_ID.fullmatch(env_id.rpartition(":")[2])
    if not match:
        return "", env_id, ""
    return match["namespace"] or "", match["name"], match["version"] or ""
