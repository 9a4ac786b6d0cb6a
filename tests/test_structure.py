"""Imports go one way, modules stay short, and settings are checked when they are given."""

import ast
import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mgail_tf import config, overrides, tasks, variants
from mgail_tf.types import BadInput

ROOT = Path(__file__).resolve().parent.parent
ORDER = (
    {"mgail_tf", "mgail_tf.types"},
    {"mgail_tf.checkpoint", "mgail_tf.variants"},
    {
        "mgail_tf.normaliser",
        "mgail_tf.config",
        "mgail_tf.overrides",
        "mgail_tf.tasks",
        "mgail_tf.returns",
        "mgail_tf.tables",
    },
    {
        "mgail_tf.envs",
        "mgail_tf.demos",
        "mgail_tf.replay",
        "mgail_tf.actor",
        "mgail_tf.results",
    },
    {"mgail_tf.absorbing", "mgail_tf.rollout", "mgail_tf.evaluation", "mgail_tf.parallel"},
    {"mgail_tf.experts", "mgail_tf.paper"},
    {"mgail_tf.figures", "mgail_tf.comparisons"},
    {"mgail_tf.networks", "mgail_tf.blocks"},
    {"mgail_tf.objectives", "mgail_tf.imagination", "mgail_tf.trust_region"},
    {
        "mgail_tf.export",
        "mgail_tf.policy_gradient",
        "mgail_tf.batches",
        "mgail_tf.averaging",
        "mgail_tf.interaction",
        "mgail_tf.tensorboard",
    },
    {"mgail_tf.agents"},
    {"mgail_tf.held_out"},
    {
        "mgail_tf.imitation",
        "mgail_tf.expert_training",
        "mgail_tf.benchmarks",
        "mgail_tf.gradients",
    },
    {"mgail_tf.audit", "mgail_tf.peers"},
    {"launch"},
)
WITHIN = {  # imports from a module's own group
    ("mgail_tf.tasks", "mgail_tf.config"),
    ("mgail_tf.evaluation", "mgail_tf.rollout"),
    ("mgail_tf.parallel", "mgail_tf.rollout"),
    ("mgail_tf.networks.discriminator", "mgail_tf.networks.mlp"),
    ("mgail_tf.networks.forward_model", "mgail_tf.networks.mlp"),
    ("mgail_tf.networks.policy", "mgail_tf.networks.mlp"),
    ("mgail_tf.networks.value", "mgail_tf.networks.mlp"),
    ("mgail_tf.peers.loops", "mgail_tf.peers.arithmetic"),
    ("mgail_tf.peers.variants", "mgail_tf.peers.arithmetic"),
    ("mgail_tf.peers.variants", "mgail_tf.peers.loops"),
    ("launch.audit_bias", "launch.train_gail"),
    ("launch.audit_bias", "launch.train_mgail"),
    ("launch.compare_gradients", "launch.train_mgail"),
    ("launch.quickstart", "launch.train_bc"),
    ("launch.quickstart", "launch.train_mgail"),
}
LONGEST = 270  # lines


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = sorted(p for folder in ("mgail_tf", "launch") for p in (ROOT / folder).rglob("*.py"))
MODULES = {_name(path): path for path in PATHS}


def _group(module: str) -> int:
    """Return a module's place in the order, by its own name or else its package's."""
    names = (module, module.rpartition(".")[0])
    return next(place for name in names for place, group in enumerate(ORDER) if name in group)


def _imports(module: str) -> Iterator[str]:
    """Yield every module imported anywhere in a module, the functions' own imports too."""
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


def _ours(module: str) -> list[str]:
    return [name for name in _imports(module) if name.split(".")[0] in ("mgail_tf", "launch")]


def _tops(module: str) -> set[str]:
    return {name.split(".")[0] for name in _imports(module)}


def test_walk_finds_imports_at_the_top_and_in_functions():
    assert "mgail_tf.networks.mlp" in _ours("mgail_tf.networks.policy")
    assert {"mgail_tf.types", "mgail_tf.envs", "mgail_tf.demos"} <= set(_ours("mgail_tf.experts"))
    assert "mgail_tf.imitation" in _ours("launch.train_bc")  # in its job()
    assert len(MODULES) > 25


def test_every_module_has_a_place_in_the_order():
    known = set().union(*ORDER)
    packages = ("mgail_tf.networks.", "mgail_tf.agents.", "mgail_tf.peers.", "launch.")
    assert [m for m in MODULES if m not in known and not m.startswith(packages)] == []


@pytest.mark.parametrize("module", MODULES)
def test_module_imports_only_from_before_it(module):
    for imported in _ours(module):
        assert imported in MODULES
        allowed = _group(imported) < _group(module) or (module, imported) in WITHIN
        of_launch = imported == "launch.cli" and module.startswith("launch.")
        assert allowed or of_launch, f"{module} imports {imported}"


def test_exceptions_to_the_order_are_all_in_use():
    assert [pair for pair in WITHIN if pair[1] not in _ours(pair[0])] == []


def test_agents_never_import_one_another():
    agents = [m for m in MODULES if m.startswith("mgail_tf.agents.")]
    assert {"mgail_tf.agents.bc", "mgail_tf.agents.mgail", "mgail_tf.agents.trpo"} <= set(agents)
    for agent in agents:
        assert not any(name.startswith("mgail_tf.agents") for name in _ours(agent))


def test_only_launch_imports_absl():
    importers = {m for m in MODULES if "absl" in _tops(m)}
    assert "launch.cli" in importers
    assert all(m.startswith("launch.") for m in importers)


def test_only_envs_imports_gymnasium():
    assert [m for m in MODULES if "gymnasium" in _tops(m)] == ["mgail_tf.envs"]


def test_nothing_up_to_experts_imports_tensorflow_by_name():
    heavy = {"tensorflow", "keras", "tensorflow_probability", "tf_keras"}
    users = {m for m in MODULES if heavy & _tops(m)}
    assert "mgail_tf.networks.mlp" in users
    assert [m for m in users if _group(m) <= _group("mgail_tf.experts")] == []


def test_stepping_environments_loads_no_tensorflow():
    names = [m for m in MODULES if _group(m) <= _group("mgail_tf.experts")]
    check = f"import {', '.join(names)}, sys; print({{'tensorflow', 'keras'}} & {{*sys.modules}})"
    command = [sys.executable, "-c", check]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "set()"), done.stderr


@pytest.mark.parametrize("module", MODULES)
def test_module_is_short(module):
    assert len(MODULES[module].read_text().splitlines()) <= LONGEST


# -- settings --------------------------------------------------------------------------------

TASKS = [
    *("cartpole", "mountaincar", "acrobot"),
    *("hopper", "walker2d", "halfcheetah", "ant", "humanoid"),
]
ALGORITHMS = {"trpo": config.TRPO, "bc": config.BC, "gail": config.GAIL, "mgail": config.MGAIL}


def test_the_papers_eight_tasks_are_known():
    assert list(tasks.TASKS) == TASKS
    protocol = {n: (t.num_trajectories, t.subsample, t.pool) for n, t in tasks.TASKS.items()}
    assert protocol == {
        "cartpole": (1, 10, 10),
        "mountaincar": (1, 5, 10),
        "acrobot": (1, 5, 10),
        "hopper": (4, 20, 25),
        "walker2d": (4, 20, 25),
        "halfcheetah": (4, 20, 25),
        "ant": (4, 20, 25),
        "humanoid": (80, 20, 240),
    }


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("task", TASKS)
def test_tasks_settings_are_the_defaults_with_the_tables_changes(task, algorithm):
    found = dataclasses.asdict(tasks.for_task(algorithm, task))
    defaults = dataclasses.asdict(ALGORITHMS[algorithm]())
    table = tasks.TASKS[task].settings
    assert set(table) <= set(ALGORITHMS)  # a misspelt one would be passed over
    changed = {key: value for key, value in found.items() if value != defaults[key]}
    assert changed == {k: v for k, v in table.get(algorithm, {}).items() if v != defaults[k]}
    assert {k: type(v) for k, v in found.items()} == {k: type(v) for k, v in defaults.items()}


def test_settings_differ_between_tasks_and_algorithms():
    assert tasks.for_task("trpo", "cartpole").env_steps == 100_000
    assert tasks.for_task("trpo", "hopper") != tasks.for_task("trpo", "cartpole")


def test_other_environments_get_the_defaults():
    assert tasks.for_task("mgail", "Pendulum-v1") == config.MGAIL()


def test_the_paper_and_all_additions_are_the_default_and_an_unknown_one_is_refused():
    every = "+".join(("paper", *variants.ADDITIONS))
    assert tasks.for_task("mgail", "hopper", every) == tasks.for_task("mgail", "hopper")
    alone = [tasks.for_task("mgail", "hopper", f"paper+{name}") for name in variants.ADDITIONS]
    assert len(set(alone) | {tasks.for_task("mgail", "hopper", "paper")}) == len(alone) + 1
    for wrong in ("paper+clonning", "papr+cloning", "default+cloning", "default-clonning"):
        with pytest.raises(BadInput, match=r"--variant=.*expected paper\+X .* default-X.* cloning"):
            tasks.for_task("mgail", "hopper", wrong)
    for wrong in ("paper+cloning", "default-cloning"):
        with pytest.raises(BadInput, match=r"a name without [+-] for gail"):
            tasks.for_task("gail", "hopper", wrong)
    assert tasks.for_task("gail", "hopper", "mine") == tasks.for_task("gail", "hopper")


def test_the_default_without_an_addition_has_what_the_paper_has_there():
    every = list(variants.ADDITIONS)
    for name in every:
        others = "+".join(("paper", *(other for other in every if other != name)))
        without = tasks.for_task("mgail", "hopper", f"default-{name}")
        assert without == tasks.for_task("mgail", "hopper", others)
    none = tasks.for_task("mgail", "hopper", "-".join(("default", *every)))
    assert none == tasks.for_task("mgail", "hopper", "paper")


@pytest.mark.parametrize("task", tasks.TASKS)
def test_the_papers_variant_has_nothing_beyond_the_paper_on_any_task(task):
    found = dataclasses.asdict(tasks.for_task("mgail", task, "paper"))
    for name in ("before_end", "model_noise", "episode_steps", "state_components", "cloning"):
        assert found[name] == 0
    assert {k: found[k] for k in variants.VARIANTS["mgail"]["paper"]} == (
        variants.VARIANTS["mgail"]["paper"]
    )


def test_settings_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.MGAIL().gamma = 0.5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("env_steps=1234", 1234),
        ("env_steps=2_000", 2000),
        ("gamma=0.95", 0.95),
        ("policy_learning_rate=1e-5", 1e-5),
        ("dead_cost=3", 3.0),
        ("log_std=-2", -2.0),
        ("policy_hidden=(32, 16)", (32, 16)),
        ("policy_hidden=(32,)", (32,)),
        ("policy_hidden=32", (32,)),
        ("policy_hidden=()", ()),
        ("unroll=True", True),
        ("unroll=true", True),
        ("jit_compile=false", False),
        ("jit_compile=False", False),
        ("cost=log_d", "log_d"),
        ("model=vanilla", "vanilla"),
    ],
)
def test_override_reads_a_value_of_the_settings_type(text, value):
    key = text.partition("=")[0]
    changed = overrides.override(config.MGAIL(), [text])
    assert getattr(changed, key) == value
    assert type(getattr(changed, key)) is type(value)
    assert changed == dataclasses.replace(config.MGAIL(), **{key: value})


def test_override_applies_all_and_the_last_wins():
    changed = overrides.override(config.BC(), ["batch=7", "max_epochs=3", "batch=9"])
    assert changed == dataclasses.replace(config.BC(), batch=9, max_epochs=3)
    assert overrides.override(config.BC(), []) == config.BC()


def _refusal(text, settings):
    with pytest.raises(BadInput) as refused:
        overrides.override(settings, [text])
    message = str(refused.value)
    assert message.startswith("--set ") and "\n" not in message
    return message


@pytest.mark.parametrize("settings", [config.TRPO(), config.BC(), config.GAIL(), config.MGAIL()])
def test_unknown_key_is_refused_with_the_known_ones(settings):
    message = _refusal("learning_speed=1", settings)
    known = [field.name for field in dataclasses.fields(settings)]
    assert "unknown key 'learning_speed'" in message
    assert message.endswith(f"known: {', '.join(known)}")


@pytest.mark.parametrize("text", ["horizon", "", "=3"])
def test_override_without_key_or_value_is_refused(text):
    assert f"--set {text}: " in _refusal(text, config.MGAIL())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("env_steps=1.5", "int"),
        ("env_steps=1e5", "int"),
        ("env_steps=many", "int"),
        ("env_steps=", "int"),
        ("env_steps=True", "int"),
        ("env_steps=(1,)", "int"),
        ("gamma=high", "float"),
        ("gamma=True", "float"),
        ("gamma=None", "float"),
        ("gamma={[]}", "float"),
        ("policy_hidden=[32, 16]", "tuple"),
        ("policy_hidden=32.0", "tuple"),
        ("policy_hidden=wide", "tuple"),
        ("unroll=1", "bool"),
        ("unroll=yes", "bool"),
    ],
)
def test_value_of_another_type_is_refused(text, expected):
    key, _, value = text.partition("=")
    message = _refusal(text, config.MGAIL())
    assert message == f"--set {key}={value}: found {value!r}, expected a {expected}"


@pytest.mark.parametrize(
    "text",
    [
        "rollout=imagined",
        "cost=entropy",
        "model=gru",
        "policy_hidden=(32.5,)",
        "policy_hidden=('a',)",
        "policy_hidden=(0,)",
        "policy_batch=0",
        "horizon=-1",
        "gamma=1.5",
        "gamma=1",
        "before_end=1.1",
        "before_end=-0.1",
        "policy_learning_rate=0",
        "policy_learning_rate=1e999",
        "dead_cost=-1",
        "log_std=1e999",
    ],
)
def test_impossible_value_is_refused_by_name(text):
    key = text.partition("=")[0]
    message = _refusal(text, config.MGAIL())
    assert message.startswith(f"--set {key}=") and "expected" in message
