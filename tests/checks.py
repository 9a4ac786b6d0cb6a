"""Checks that several tests share: refusals in one line, and files that are damaged anywhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mgail_tf.errors import BadInput


def refusal(start: object, call: Callable[..., Any], *arguments: Any, **named: Any) -> str:
    """Return the rest of the one-line message, "start: ...", with which a call is refused."""
    with pytest.raises(BadInput) as refused:
        call(*arguments, **named)
    message = str(refused.value)
    assert message.startswith(f"{start}: ") and "\n" not in message
    return message.removeprefix(f"{start}: ")


def check_damage(path: Path, every: int, read: Callable[[], Any]) -> None:
    """Flip one byte in so many, one at a time: `read` refuses the file or returns the same.

    A flipped byte breaks the zip, the deflate stream, a checksum, a header, or a time stamp.
    """
    whole, expected, refused = path.read_bytes(), read(), 0
    for at in range(0, len(whole), every):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            found = read()
        except BadInput as error:
            assert str(path) in str(error) and "\n" not in str(error)
            refused += 1
        else:
            np.testing.assert_equal(found, expected)
    assert refused > 100
