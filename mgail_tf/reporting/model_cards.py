"""Released policies: one of MGAIL for each of the paper's tasks, with what is known of it."""

import json
import shutil
import textwrap
from pathlib import Path
from typing import Any

import numpy as np

from mgail_tf.config.tasks import TASKS
from mgail_tf.envs.evaluation import EVALUATION_SEED, MODES, evaluate
from mgail_tf.envs.gym_env import make
from mgail_tf.errors import BadInput, one_line
from mgail_tf.files import make_folder, write_whole, written_whole
from mgail_tf.policies.numpy_policy import NumpyPolicy
from mgail_tf.types import Episode

SEED = 0  # of the released policies, chosen before any was trained
EPISODES = 200  # by which a released policy is scored
POOR = 0.8  # an episode with less than this share of the expert's return is called a failure


def release(run: Path, folder: Path) -> Path:
    """Write policy.npz, policy.onnx and README.md of a finished run of MGAIL on a paper's task.

    Args:
        run: the run's folder.
        folder: of released policies; the task's is made there, or its files are replaced.

    Returns:
        The task's folder.

    Raises:
        BadInput: the run is not finished, not MGAIL's with the defaults, or of another environment,
            dataset or seed than the released ones.
    """
    try:
        config = json.loads((run / "config.json").read_text())
        final = json.loads((run / "final.json").read_text())
        algorithm, variant, task = (config[key] for key in ("algorithm", "variant", "task"))
        row = final["rows"][0]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BadInput(f"{run}: not a finished run ({one_line(error)})") from error
    if (algorithm, variant) != ("mgail", "default") or task not in TASKS:
        found, expected = f"{algorithm} {variant} on {task}", "mgail default on one of TASKS"
        raise BadInput(f"{run}: config.json: found {found}, expected {expected}")
    released = {"num_trajectories": TASKS[task].num_trajectories}
    released |= {"subsample": TASKS[task].subsample, "seed": SEED}
    for name, value in released.items():
        if row[name] != value:
            found = f"found {row[name]}, expected {value} as of all released"
            raise BadInput(f"{run}: {name}: {found}")
    spec = make(task, 0).spec
    policy = NumpyPolicy.load(run / "policy.npz", spec)
    out = folder / task
    make_folder(out)
    with written_whole(out / "policy.onnx") as partial:
        policy.export(partial, {"versions": row["versions"]}, "onnx")
    shutil.copyfile(run / "policy.npz", out / "policy.npz")
    write_whole(out / "README.md", _card(policy, config, final))
    return out


def _card(policy: NumpyPolicy, config: dict[str, Any], final: dict[str, Any]) -> str:
    """Return the model card: what it was shown, how it scores, and where it fails."""
    task, row, spec = config["task"], final["rows"][0], policy.spec
    expert, chance = final["expert_return"], final["random_return"]
    scores = [
        "| mode | return, 95 % interval of the mean | normalised | worst episode | failures |",
        "|---|---|---|---|---|",
    ]
    for mode in MODES:
        found = _returns(policy, task, mode)
        half = 1.96 * found.std(ddof=1) / np.sqrt(len(found))
        normalised = (found - chance) / (expert - chance)
        scores.append(
            f"| {mode} | {found.mean():,.1f} ± {half:,.1f} | {normalised.mean():.2f} | "
            f"{found.min():,.1f} | {100 * np.mean(normalised < POOR):.0f} % |"
        )
    count = row["num_trajectories"]
    shown = f"{count} trajector{'y' if count == 1 else 'ies'}"
    actions = "numbers of the actions, [N]" if spec.discrete else "mean actions, [N, A]"
    example = [
        "```python",
        "import mgail_tf as mg",
        "",
        f'policy = mg.load_policy("{task}")',
        f'print(mg.evaluate(policy, "{task}", episodes=10))',
        "```",
    ]
    parts: list[str | list[str]] = [
        f"# MGAIL on {row['env_id']}",
        f"A policy that imitates this project's expert from {shown} of it, of which one pair in "
        f"{row['subsample']} was shown, in {row['env_steps']:,} environment steps without its "
        f"reward. The settings are the defaults of its commit, and seed {row['seed']} was chosen "
        "beforehand.",
        "## Use",
        example,
        "`policy.onnx` needs an ONNX runtime only. Its input `states` is float32 "
        f"[N, {spec.state_size}], as the environment returns them; its output `actions` is the "
        f"{actions}.",
        "## Scores",
        f"Over {EPISODES} episodes, on an environment that is seeded apart from the training's. "
        f"Normalised: 0 is random actions ({chance:,.1f}), 1 is the expert as sampled "
        f"({expert:,.1f}). A failure is an episode below {POOR} on that scale.",
        scores,
        "## Known limits",
        f"It was trained on `{row['env_id']}` as Gymnasium makes it, with at most "
        f"{spec.max_steps:,} steps. Nothing is known of it under other dynamics or observations, "
        "or in states where neither the demonstrations nor its training led.",
        "## Made by",
        f"Commit {row['commit']}, in {row['wall_seconds']:,.0f} s on one core; {row['versions']}. "
        f"SHA-256 of the demonstrations: {row['demos_sha256']}.",
    ]
    return (
        "\n\n".join(
            "\n".join(part) if isinstance(part, list) else textwrap.fill(part, 120)
            for part in parts
        )
        + "\n"
    )


def _returns(policy: NumpyPolicy, task: str, mode: Any) -> np.ndarray:
    """Return the returns of `EPISODES` episodes."""
    rolled: list[Episode] = []
    evaluate(policy, task, EPISODES, EVALUATION_SEED, mode, seen=rolled.append)
    return np.array([episode.rewards.sum() for episode in rolled])
