"""Train MGAIL on demonstrations; score, export and record the final policy.

python launch/train_mgail.py --task=hopper --seed=0 --set horizon=30
"""

import sys
from typing import Any

import _flags

import mgail_tf as mg

FLAGS = _flags.define(*_flags.IMITATION, "preset")


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    print(mg.verdict(_flags.train("mgail", get), _flags.environment_flags(get)))


main = _flags.script(job, FLAGS, settings_of="mgail")

if __name__ == "__main__":
    sys.exit(main(sys.argv))
