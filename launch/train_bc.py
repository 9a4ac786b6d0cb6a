"""Clone demonstrated behaviour; score, export and record the policy.

python launch/train_bc.py --task=hopper --seed=0
"""

import sys
from typing import Any

import _flags

FLAGS = _flags.define(*(name for name in _flags.IMITATION if name != "env_steps"))


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    _flags.print_scores(_flags.train("bc", get))


main = _flags.script(job, FLAGS, settings_of="bc")

if __name__ == "__main__":
    sys.exit(main(sys.argv))
