"""Clone demonstrated behaviour; score, export and record the policy.

python launch/train_bc.py --task=hopper --seed=0
"""

import sys
from typing import Any

import _flags

import mgail_tf as mg

FLAGS = _flags.define(*(n for n in _flags.IMITATION if n not in ("env_steps", "keep")))


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    print(mg.verdict(_flags.train("bc", get), _flags.environment_flags(get)))


main = _flags.script(job, FLAGS, settings_of="bc")

if __name__ == "__main__":
    sys.exit(main(sys.argv))
