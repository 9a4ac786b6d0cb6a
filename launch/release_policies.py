"""Write the policies that are released with the package, each with its ONNX file and model card.

    python launch/release_policies.py runs/report/mgail-hopper-default-seed0 ...

A folder is that of a finished run of MGAIL on one of the paper's tasks. What --out holds of the
task is replaced. mgail_tf.load_policy("hopper") reads what lies in results/policies.
"""

import sys
from pathlib import Path
from typing import Any

import _flags
from absl import flags

import mgail_tf as mg
from mgail_tf.reporting import model_cards

FLAGS = _flags.define()
flags.DEFINE_string("out", "results/policies", "Folder of released policies.", flag_values=FLAGS)


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    if not get["runs"]:
        raise mg.BadInput("found no folder of a run, expected one or more")
    for run in get["runs"]:
        out = model_cards.release(Path(run), Path(get["out"]))
        print(f"{out}: policy.npz, policy.onnx, README.md")


main = _flags.script(job, FLAGS, arguments="runs")

if __name__ == "__main__":
    sys.exit(main(sys.argv))
