"""The README's consumer runs as it stands, on an exported policy, without this package."""

import re
import subprocess
import sys
from pathlib import Path

from mgail_tf import envs, experts, export

README = Path(__file__).resolve().parent.parent / "README.md"


def test_consumer_in_the_readme_runs(tmp_path):
    spec = envs.make("hopper", 0).spec
    folder = tmp_path / "runs/imitate-hopper-seed0/mgail/saved_model"
    export.save(folder, experts.load("hopper", spec), spec, {})
    code = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert code and "mgail_tf" not in code[1]
    done = subprocess.run(
        [sys.executable, "-I", "-c", code[1]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Hopper-v5")
