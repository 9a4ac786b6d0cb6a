"""The two errors that are a user's to see, each with a one-line message."""

import operator
import zipfile
import zlib
from typing import Any


class BadInput(ValueError):
    """A file, a setting or an environment does not fit: the message says which, found, expected.

    Launch scripts print it and exit with code 2.
    """


class Diverged(ArithmeticError):
    """A number of the training is not finite. Launch scripts print the line and exit with code 1.

    Attributes:
        metric, value: the first such number and what it is.
        iteration: the update in which it was computed, counted from 1.
    """

    def __init__(self, metric: str, value: float, iteration: int, where: str = ""):
        """Name the network that a metric belongs to by its first word; else the policy."""
        first = metric.replace("termination_loss", "model").split("_")[0]
        network = first if first in ("model", "discriminator", "value") else "policy"
        super().__init__(f"{network}: {metric} is {value} in iteration {iteration}{where}")
        self.metric, self.value, self.iteration, self._where = metric, value, iteration, where

    def __reduce__(self) -> tuple[type, tuple[str, float, int, str]]:
        """Return how it is made again in another process."""
        return type(self), (self.metric, self.value, self.iteration, self._where)


def whole(name: str, value: Any) -> int:
    """Return a count as an integer.

    Raises:
        BadInput: it is none; a float such as 1e6 is none either.
    """
    try:
        return operator.index(value)
    except TypeError:
        found, expected = f"found {value!r}", "expected a whole number such as 1000"
        raise BadInput(f"{name}: {found}, {expected}") from None


def one_line(error: BaseException) -> str:
    """Return "Type: message" of an error on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


# Everything that NumPy and zipfile raise on damaged or foreign files.
UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    TypeError,
    AttributeError,
    RuntimeError,
    KeyError,
    MemoryError,  # a header that claims more than there is
    zipfile.BadZipFile,
    zlib.error,
)
