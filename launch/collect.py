"""Merge the results of run folders into the tables of a results folder.

    python launch/collect.py runs/sweep runs/mine --out=results

A folder is that of a run, or one that holds such folders. Imitators go to runs.csv and curves.csv
in --out, experts to experts.csv. Rows of other runs are kept. A row of the same run with other
numbers is refused, or replaced with --replace.
"""

import sys
from pathlib import Path
from typing import Any

import _flags
from absl import flags

import mgail_tf as mg
from mgail_tf.reporting import collect

FLAGS = _flags.define()
flags.DEFINE_string("out", "results", "Folder of the tables.", flag_values=FLAGS)
flags.DEFINE_boolean("replace", False, "Let new rows replace those there.", flag_values=FLAGS)


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    if not get["runs"]:
        raise mg.BadInput("found no folder of a run, expected one or more")
    folders = [Path(name) for name in get["runs"]]
    for table, added, total in collect.merge(folders, Path(get["out"]), get["replace"]):
        print(f"{table}: {added} new rows, {total} in all")


main = _flags.script(job, FLAGS, arguments="runs")

if __name__ == "__main__":
    sys.exit(main(sys.argv))
