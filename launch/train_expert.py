r"""Train an expert by TRPO on the environment's reward; score it and record it.

    python launch/train_expert.py --task=hopper --seed=0

The committed ones: with --out=results/experts/TASK, then launch/collect.py. Walker2d's and
Humanoid's take other commands: results/experts.csv and results/README.md have them.

--start_from goes on from another run, with other settings or another reward:

    python launch/train_expert.py --task=humanoid --env_kwargs='{"healthy_reward": 2}' \
        --keep_checkpoint --out=runs/first --env_steps=12e6
    python launch/train_expert.py --task=humanoid --start_from=runs/first --env_steps=16e6
"""

import sys
from typing import Any

import _flags

import mgail_tf as mg

FLAGS = _flags.define(*_flags.TRAINING, "workers", "start_from")


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    print(mg.verdict(_flags.train("trpo", get), _flags.environment_flags(get)))


main = _flags.script(job, FLAGS, settings_of="trpo")

if __name__ == "__main__":
    sys.exit(main(sys.argv))
