"""The Python of docs/own_data.md runs as it stands, from a class of one's own to ONNX Runtime."""

import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

PAGE = Path(__file__).resolve().parent.parent / "docs/own_data.md"
LINKS = re.compile(r"\]\(([^)#]*)(#[^)]*)?\)")
PAGES = [*PAGE.parent.glob("*.md"), PAGE.parent.parent / "README.md"]


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


def ran(code: str, folder: Path, **environment: str) -> str:
    import os

    command = [sys.executable, "-c", code]
    own = {**os.environ, **environment}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=own, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_the_page_takes_a_reader_from_a_class_to_a_policy_file(tmp_path):
    program, consumer, _, recording, arrays, formats, saved, metadata = blocks()
    shorter = {
        "mg.BC(env, learnt)": "mg.BC(env, learnt, mg.BCConfig(max_epochs=20))",
        "mg.MGAIL(env, learnt)": "mg.MGAIL(env, learnt, mg.override(mg.MGAILConfig(), "
        "['compile=graph', 'prefill_steps=100', 'updates_per_call=2', 'horizon=2', "
        "'cloning_bound=none', 'clone_share=0', 'log_std=(-1, -2)']))",
        "agent.learn(20_000,": "agent.learn(120,",
    }
    for text, other in shorter.items():
        assert text in program
        program = program.replace(text, other)
    more = f"""
controller = lambda state: np.clip([-state.sum()], -1, 1)
class model:
    predict = staticmethod(lambda state: (controller(state), None))
{recording}
{formats}
{arrays}
assert len(demos) == 1
"""
    with h5py.File(tmp_path / "d4rl.hdf5", "w") as file:
        file["observations"], file["actions"] = np.zeros((20, 2)), np.zeros((20, 1))
        file["terminals"] = np.arange(20) % 10 == 9
        file["timeouts"] = np.zeros(20, bool)
    printed = ran(program + more, tmp_path, MINARI_DATASETS_PATH=str(tmp_path / "minari"))
    assert "imitated (mgail), mean action" in printed and "cloned, mean action" in printed
    assert "mgail_tf" not in consumer and ran(consumer, tmp_path).count("[") == 6
    assert ran(saved, tmp_path).count("tf.Tensor") == 2
    assert ran(metadata, tmp_path).startswith("Rail 2 float32")


def test_links_between_pages_lead_somewhere():
    broken = []
    for page in PAGES:
        for target, anchor in LINKS.findall(page.read_text()):
            if "://" in target:
                continue
            path = (page.parent / target).resolve() if target else page
            if not path.exists():
                broken.append(f"{page.name}: {target}")
            elif anchor and path.suffix == ".md" and anchor[1:] not in _anchors(path):
                broken.append(f"{page.name}: {target}{anchor}")
    assert broken == []


def _anchors(page: Path) -> set[str]:
    """Return the names of a page's headings, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
