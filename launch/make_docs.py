"""Make the tables in README.md and docs/*.md again from the CSVs of results/.

python launch/make_docs.py
"""

import sys
from pathlib import Path
from typing import Any

import _flags
from absl import flags

from mgail_tf.files import write_whole
from mgail_tf.reporting import report

FLAGS = _flags.define()
flags.DEFINE_string("folder", "results", "Holds the CSVs.", flag_values=FLAGS)
ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    for page in PAGES:
        text = page.read_text()
        made = report.fill(text, Path(get["folder"]))
        if made != text:
            write_whole(page, made)
            print(f"{page}: written")


main = _flags.script(job, FLAGS)

if __name__ == "__main__":
    sys.exit(main(sys.argv))
