"""Imports go downwards only, nothing private is used from outside, and what is public is described.

A package may import those that stand before it in `ORDER`.
"""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ORDER = (
    ("types", "errors", "env_ids", "optional", "files", "checkpoint"),
    *(("config",), ("data",), ("envs",), ("policies",), ("reporting",)),
    *(("sweeps",), ("training",), ("networks",), ("agents",), ("studies",), ("launch",)),
)
TENSORFLOW = {"tensorflow", "keras", "tensorflow_probability", "tf_keras"}
OF_NAMED_TUPLES = {"_replace", "_asdict", "_fields"}  # public in spite of their names


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = sorted(p for folder in ("mgail_tf", "launch") for p in (ROOT / folder).rglob("*.py"))
TREES = {_name(path): ast.parse(path.read_text()) for path in PATHS}
del TREES["mgail_tf"]  # names everything, and imports it lazily
MODULES = tuple(TREES)


def _place(module: str) -> int:
    """Return the place in the order of the package that a module belongs to."""
    name = module.removeprefix("mgail_tf.").split(".")[0]
    return next(place for place, group in enumerate(ORDER) if name in group)


def _imports(module: str, everywhere: bool = True) -> Iterator[str]:
    """Yield every module imported in a module: everywhere in functions too, or when it is read."""
    for node in ast.walk(TREES[module]) if everywhere else TREES[module].body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in TREES else str(node.module)


def _ours(module: str, everywhere: bool = True) -> list[str]:
    return [name for name in _imports(module, everywhere) if name.startswith("mgail_tf.")]


def _importers(*packages: str) -> list[str]:
    """Return the modules that import one of these packages, anywhere."""
    return [m for m in MODULES if {name.split(".")[0] for name in _imports(m)} & {*packages}]


def test_walk_finds_imports_at_the_top_and_in_functions():
    assert "mgail_tf.networks.mlp" in _ours("mgail_tf.networks.policy")
    assert "mgail_tf.policies.saved_model" in _ours("mgail_tf.policies.numpy_policy")
    assert len(MODULES) > 50


def test_imports_go_downwards_only():
    pairs = [(module, name) for module in MODULES for name in _ours(module)]
    assert [(module, name) for module, name in pairs if _place(name) > _place(module)] == []


def test_no_module_imports_itself_by_way_of_others():
    packages = {m.rpartition(".")[0] for m in MODULES}  # their __init__ files import nothing
    graph = {m: {*_ours(m, everywhere=False)} - packages for m in MODULES}
    assert len([*graphlib.TopologicalSorter(graph).static_order()]) >= len(MODULES)


def test_only_gail_imports_another_agent():
    prefix = "mgail_tf.agents."
    pairs = {
        (module.split(".")[2], name.split(".")[2])
        for module in MODULES
        for name in _ours(module)
        if module.startswith(prefix) and name.startswith(prefix)
    }
    assert {(a, b) for a, b in pairs if a != b} == {("gail", "trpo")}


def test_what_only_one_place_imports():
    assert all(_place(m) == _place("launch") for m in _importers("absl"))
    stepping = [m for m in _importers("gymnasium") if m.startswith("mgail_tf.")]
    assert stepping == [
        "mgail_tf.data.formats",  # within functions
        "mgail_tf.envs.gym_env",
        "mgail_tf.studies.practice",
    ]
    early = [m for m in _importers(*TENSORFLOW) if _place(m) < _place("mgail_tf.training")]
    assert early == ["mgail_tf.policies.saved_model"]


@pytest.mark.slow
def test_stepping_environments_loads_no_tensorflow():
    names = [m for m in MODULES if _place(m) < _place("mgail_tf.training")]
    names.remove("mgail_tf.policies.saved_model")
    check = f"import {', '.join(names)}, sys; print({TENSORFLOW} & {{*sys.modules}})"
    command = [sys.executable, "-c", check]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "set()"), done.stderr


def test_studies_and_scripts_use_nothing_private():
    found = [
        f"{module}, line {node.lineno}: {ast.unparse(node)}"
        for module in MODULES
        if _place(module) >= _place("mgail_tf.studies")
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and node.attr not in OF_NAMED_TUPLES
        and ast.unparse(node.value) not in ("self", "cls", "torch")  # updates by one call
    ]
    assert found == []


def _public(body: list[ast.stmt]) -> Iterator[ast.ClassDef | ast.FunctionDef]:
    """Yield the public classes and functions of a module, and the methods of its classes."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from _public(node.body)


def _lacks(node: ast.ClassDef | ast.FunctionDef) -> Iterator[str]:
    """Yield what a reader is not told: its docstring, the types of its arguments and result."""
    if not ast.get_docstring(node):
        yield "docstring"
    if isinstance(node, ast.FunctionDef):
        given = node.args
        arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs]
        arguments += [a for a in (given.vararg, given.kwarg) if a]
        yield from (a.arg for a in arguments if not a.annotation and a.arg not in ("self", "cls"))
        if not node.returns:
            yield "return"


def test_what_is_public_is_described_and_typed():
    assert [module for module, tree in TREES.items() if not ast.get_docstring(tree)] == []
    lacking = {
        f"{module}.{node.name}": [*_lacks(node)]
        for module, tree in TREES.items()
        for node in _public(tree.body)
    }
    assert {name: lacks for name, lacks in lacking.items() if lacks} == {}
