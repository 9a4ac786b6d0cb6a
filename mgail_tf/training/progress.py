"""What a training says while it runs: a line for each phase, then a bar or a line now and then."""

import sys
import time
from collections.abc import Mapping
from typing import Any

from tqdm import tqdm

SECONDS = 30.0  # between lines, where standard error is no terminal
_SHOWN = {"ret": "return", "d_acc": "discriminator_accuracy", "model": "model_error", "kl": "kl"}


class Progress:
    """Says on standard error how far a training is; silent if it is not to be shown.

    On a terminal there is a bar from the first update on. Elsewhere a line is written when a tenth
    is over, and every half minute.
    """

    def __init__(self, name: str, unit: str, total: int, now: int, shown: bool):
        """Begin.

        Args:
            name: of algorithm and environment.
            unit: what is counted: "env_steps", "epoch" or "expert_queries".
            now: where a resumed run goes on.
        """
        self._name, self._unit, self._total = name, unit, total
        self._shown, self._file = shown, sys.stderr
        self._began, self._said = time.monotonic(), -SECONDS  # so that the first update is said
        self._bar: Any = None
        self._tenth = 10 * now // total

    def say(self, text: str) -> None:
        """Write a line."""
        if self._shown:
            print(text, file=self._file, flush=True)

    def first(self) -> None:
        """Say that the first update is being made: it is compiled, which takes a while."""
        self.say(f"{self._name}: compiling the first update (up to a minute where it is new) ...")

    def update(self, count: int, metrics: Mapping[str, float]) -> None:
        """Show a count of steps or epochs, and some of the metrics."""
        if not self._shown:
            return
        named = {k: f"{metrics[n]:.4g}" for k, n in _SHOWN.items() if n in metrics}
        if self._file.isatty():
            if self._bar is None:
                self._bar = tqdm(
                    total=self._total, initial=count, unit=f" {self._unit}", desc=self._name
                )
            self._bar.set_postfix(named, refresh=False)
            self._bar.update(count - self._bar.n)
            return
        tenth, passed = 10 * count // self._total, time.monotonic() - self._began
        if tenth > self._tenth or passed - self._said >= SECONDS:
            self._tenth, self._said = tenth, passed
            values = "".join(f", {name} {value}" for name, value in named.items())
            place = f"{count:,} of {self._total:,} {self._unit}"
            self.say(f"{self._name}: {place}, {passed:.0f} s{values}")

    def close(self) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.close()
