"""The pages are true: programs run as they stand, names and links are there."""

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path

import h5py
import numpy as np
import pytest

import mgail_tf as mg
from mgail_tf.training import run

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


METHODS_OF = {"Agents": mg.MGAIL, "Demonstrations": mg.Demonstrations, "Policies": mg.NumpyPolicy}
CALL = re.compile(r"`(mg)?\.([\w.]+)\(([^`]*)\)`")


def test_the_reference_has_every_public_name():
    page = (PAGE.parent / "api.md").read_text()
    assert {name for name in mg.__all__ if not re.search(rf"`mg\.{name}\b", page)} == set()


def test_the_reference_has_the_arguments_that_are_taken():
    """As many of each as it names, with their defaults."""
    sections = (PAGE.parent / "api.md").read_text().split("\n## ")
    checked = 0
    for section in sections[1:]:
        title = section.split("\n")[0]
        cells = "\n".join(re.findall(r"^\| (.*?) \| ", section, re.MULTILINE))  # the first ones
        for public, name, arguments in CALL.findall(cells):
            if public or title in METHODS_OF:
                owner = mg if public else METHODS_OF[title]
                found = mg.NonstationaryPolicy.at if name == "at" else attrgetter(name)(owner)
                _check_arguments(found, arguments)
                checked += 1
    assert checked > 30


def _check_arguments(found: Callable, arguments: str) -> None:
    defined: dict = {}
    exec(f"def written({arguments}): ...", defined)
    written = inspect.signature(defined["written"]).parameters.values()
    taken = [each for each in inspect.signature(found).parameters.values() if each.name != "self"]
    assert [(each.name, each.default, each.kind) for each in written] == [
        (each.name, each.default, each.kind) for each in taken[: len(written)]
    ]


def test_the_reference_has_the_options_of_learn():
    options = inspect.signature(run.learn).parameters
    page = (PAGE.parent / "api.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \| ", page, re.MULTILINE))
    assert set(rows) == set(run.Options.__annotations__)
    for name, default in rows.items():
        assert ast.literal_eval(default.strip("`")) == options[name].default


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
