"""The README's Python runs as it stands, and its consumer without this package."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).resolve().parent.parent / "README.md"


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


def ran(code: str, folder: Path, *options: str) -> str:
    command = [sys.executable, *options, "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_python_in_the_readme_runs(tmp_path):
    training, consumer = blocks()
    shorter = {
        "mg.MGAIL(env, demos, seed=0)": "mg.MGAIL(env, demos, mg.override(mg.MGAILConfig(), "
        "['compile=graph', 'prefill_steps=100', 'updates_per_call=2', 'horizon=2', "
        "'cloning_bound=none', 'clone_share=0', 'log_std=(-1, -2)']), seed=0)",
        'expert_demonstrations("hopper")': 'expert_demonstrations("hopper", episodes=4)',
        "env_steps=50_000": "env_steps=110, episodes=1",
        "episodes=50": "episodes=2",
    }
    for text, other in shorter.items():
        assert text in training
        training = training.replace(text, other)
    assert "over 2 deterministic episodes" in ran(training, tmp_path)
    assert (tmp_path / "runs/hopper/final.json").exists()
    assert "mgail_tf" not in consumer
    printed = ran(consumer, tmp_path, "-I")
    assert printed.count("tf.Tensor") == 2 and "shape=(5, 3)" in printed
