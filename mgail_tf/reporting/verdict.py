"""Did it work? What a finished run comes to, beside the expert, cloning and random actions."""

import csv
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mgail_tf.config.tasks import TASKS
from mgail_tf.envs.evaluation import normalised
from mgail_tf.errors import BadInput, one_line

_REACHED, _CLOSE = 0.95, 0.8  # of the way from random actions to the expert
_KINDS = {"success": ".0%", "normalised": ".2f", "told apart": ".0%", "distance": ".2f"}
_ALIKE, _APART = 0.6, 0.9  # classifier's balanced accuracy


def verdict(run_dir: str | Path, environment: str = "") -> str:
    """Return a table and a few sentences on a finished run.

    A cloned policy of the same demonstrations is in the table if its run lies in the same folder.

    Args:
        environment: the flags that name the environment in the commands to go on with; by default
            --task with the name that the run knows.

    Raises:
        BadInput: the folder holds no finished run.
    """
    path = Path(run_dir)
    final, config = _read(path / "final.json"), _read(path / "config.json")
    rows = [*_levels(final), *_of_run(final)]
    clone = _clone(path, config)
    if final["algorithm"] != "bc" and clone:
        cloned = _read(clone / "final.json")
        if cloned.get("match", {}).get("against") != final.get("match", {}).get("against"):
            cloned.pop("match", None)  # not to be compared
        rows[1:1] = _of_run(cloned)
    if "final_policy" in final and final["kept"] != "final":
        rows.append(_final_policy(final))
    lines = [_title(final, config), "", *_table(rows), ""]
    lines += _sentences(final, config, path)
    if final["algorithm"] != "bc" and clone:
        lines += _compared(_of_run(final)[0], _of_run(cloned)[0])
    known = config["task"] in TASKS
    environment = environment or (f"--task={config['task']}" if known else "")
    lines += ["", *_next(path, environment)]
    return "\n".join(lines)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
        found["algorithm"], found["seed"]  # what every run says
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path}: not that of a finished run ({one_line(error)})") from error
    return found


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _title(final: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    row = final["rows"][0]
    steps = f"{final['env_steps']:,} environment steps, " if final["env_steps"] else ""
    taken = f"{steps}{_number(row['wall_seconds']):,.0f} s"
    shown = ""
    if asked := row.get("expert_queries"):
        shown = f", {asked:,} expert queries"
    if "num_trajectories" in config:
        every = config["subsample"]
        pairs = "every pair" if every == 1 else f"1 pair in {every}"
        count = config["num_trajectories"]
        shown = f", {count} {'trajectory' if count == 1 else 'trajectories'}, {pairs}"
    name = f"{final['algorithm'].upper()} on {row['env_id']}, seed {final['seed']}"
    return f"{name}: {taken}{shown}"


def _levels(final: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the expert's line, and that of random actions."""
    random = {"policy": "random actions", "return": _number(final["random_return"])}
    random |= _match_of(final, "random")
    if final["algorithm"] == "trpo":  # it is the expert
        expert = []
    else:
        expert = [{"policy": "expert, as shown", "return": _number(final["expert_return"])}]
    return [*expert, random]


def _of_run(final: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a run's lines, one a mode."""
    names = {"bc": "cloned", "trpo": "trained on the reward"}
    names |= dict.fromkeys(("dagger", "forward_training", "smile"), "imitated by asking")
    name = names.get(final["algorithm"], f"imitated ({final['algorithm']})")
    if final.get("kept", "final") != "final":
        name = f"kept ({final['kept']})"
    return [
        {
            "policy": f"{name}, {'mean action' if row['mode'] == 'deterministic' else 'sampled'}",
            "return": _number(row["return_mean"]),
            "std": _number(row["return_std_over_episodes"]),
            "length": _number(row["length_mean"]),
            "success": _number(final.get("success_rates", {}).get(row["mode"])),
            "normalised": _number(row["normalised"]),
            **(_match_of(final, "policy") if row["mode"] == "deterministic" else {}),
        }
        for row in final["rows"]
    ]


def _final_policy(final: Mapping[str, Any]) -> dict[str, Any]:
    """Return the line of the final policy where another one is kept."""
    score = final["final_policy"]
    low, high = (_number(final[f"{name}_return"]) for name in ("random", "expert"))
    value = _number(score["return_mean"])
    return {
        "policy": f"final {final['algorithm']} policy, mean action",
        "return": value,
        "std": _number(score["return_std_over_episodes"]),
        "length": _number(score["length_mean"]),
        "normalised": normalised(value, low, high),
        "distance": _number(final["match_distances"]["final"]),
    }


def _compared(found: Mapping[str, Any], clone: Mapping[str, Any]) -> list[str]:
    """Return which is better, this policy or the cloned one, by the first measure that is known."""
    for measure, sign in (("normalised", 1.0), ("success", 1.0), ("distance", -1.0)):
        ours, theirs = _number(found.get(measure)), _number(clone.get(measure))
        if math.isnan(ours) or math.isnan(theirs):
            continue
        if ours == theirs:
            return [f"Cloning is as good by {measure} ({theirs:.2f})."]
        word = "better than" if sign * (ours - theirs) > 0 else "WORSE than"
        return [f"By {measure} it is {word} cloning ({ours:.2f}, cloned {theirs:.2f})."]
    return []


def _next(path: Path, environment: str) -> list[str]:
    """Return where the policy is, and what to do with it."""
    lines = [f"policy: {path}/policy.npz and {path}/saved_model (for TensorFlow alone)"]
    if not environment:  # it may not be registered
        return [
            *lines,
            'next:   mg.record_video([agent.policy], env, "policy.mp4")',
            '        agent.policy.export("policy.onnx", format="onnx")',
        ]
    script = "python launch"
    return [
        *lines,
        f"next:   {script}/record_video.py {environment} --policies={path} --out=policy.mp4",
        f"        {script}/export_policy.py {environment} --policy={path} --format=onnx",
    ]


def _clone(path: Path, config: Mapping[str, Any]) -> Path | None:
    """Return a finished run beside this one that cloned the same pairs."""
    same = (
        *("task", "seed", "max_steps", "wrappers", "env_kwargs", "num_trajectories"),
        *("subsample", "demos_sha256", "pairs_sha256"),
    )
    for found in sorted(path.resolve().parent.glob("*/final.json")):
        try:
            other = json.loads((found.parent / "config.json").read_text())
            if other["algorithm"] == "bc" and all(other.get(n) == config.get(n) for n in same):
                return found.parent
        except (OSError, ValueError, KeyError, TypeError):  # of something else
            continue
    return None


def _table(rows: list[dict[str, Any]]) -> list[str]:
    """Return aligned lines; a column that nobody has a number for is left out."""
    widths = {"return": 11, "std": 10, "length": 9, "success": 9, "normalised": 12}
    widths |= {"told apart": 12, "distance": 10}
    shown = [n for n in widths if any(not math.isnan(row.get(n, math.nan)) for row in rows)]
    lines = ["policy".ljust(32) + "".join(name.rjust(widths[name]) for name in shown)]
    for row in rows:
        texts = []
        for name in shown:
            value = row.get(name, math.nan)
            kind = _KINDS.get(name, ",.1f")
            texts.append(("" if math.isnan(value) else f"{value:{kind}}").rjust(widths[name]))
        lines.append((row["policy"].ljust(32) + "".join(texts)).rstrip())
    return lines


def _sentences(final: Mapping[str, Any], config: Mapping[str, Any], path: Path) -> list[str]:
    lines = []
    kept = final.get("kept", "final")
    who = "It" if kept == "final" else f"The kept policy ({kept})"
    score = _number(final["rows"][0]["normalised"])
    if final["algorithm"] != "trpo":
        if math.isnan(score):
            known = not math.isnan(_number(final["expert_return"]))
            lines.append(
                "The return tells nothing: "
                + ("the expert earns no more than random actions" if known else "none was recorded")
                + ". How well the behaviour matches is what counts here."
            )
        else:
            found = (
                f"{who} reaches the expert"
                if score >= _REACHED
                else f"{who} comes close to the expert"
                if score >= _CLOSE
                else f"{who} does NOT reach the expert"
            )
            lines.append(
                f"{found} (normalised {score:.2f}: 0 is random actions, 1 what the "
                f"{'expert earns' if 'expert' in config else 'demonstrations earn'} on average)."
            )
    lines += _match_sentence(final)
    if "kept" in final:
        lines.append(
            f"The policy that is kept is {final['kept']}: of "
            f"{len(final['match_distances'])} it matches the demonstrations best."
        )
    if final["algorithm"] == "bc":
        lines += _stopping(config, path)
    return lines


def _match_of(final: Mapping[str, Any], name: str) -> dict[str, float]:
    """Return how far the policy's or random behaviour is from the demonstrations."""
    found = final.get("match", {}).get(name, {})
    names = {"told apart": "classifier_accuracy", "distance": "distance"}
    return {column: _number(found.get(key)) for column, key in names.items()}


def _match_sentence(final: Mapping[str, Any]) -> list[str]:
    """Return what the match with demonstrations comes to, and what its columns mean."""
    found = _match_of(final, "policy")
    accuracy = found["told apart"]
    if math.isnan(accuracy):
        return []
    episodes, held_out = final["match"].get("episodes", 3), "held-out"
    few = ""
    if episodes < 3 and held_out in final["match"]["against"]:
        few = f" {episodes} held-out episodes are few: hold three or more out to rely on it."
    means = (
        "a match"
        if accuracy <= _ALIKE
        else "clearly another behaviour"
        if accuracy >= _APART
        else "alike in part"
    )
    return [
        f"A classifier tells its mean actions from {final['match']['against']} in {accuracy:.0%} "
        f"of cases: {means} (50% is chance). The distance is 0 where behaviour is the same." + few
    ]


def _stopping(config: Mapping[str, Any], path: Path) -> list[str]:
    """Return why cloning ended, and which weights are kept."""
    try:
        with (path / "progress.csv").open(newline="") as file:
            losses = [(float(r["held_out_loss"]), int(r["epoch"])) for r in csv.DictReader(file)]
        best, last = min(losses)[1], losses[-1][1]
    except (OSError, ValueError, KeyError, IndexError):
        return []
    settings = config["config"]
    kept = f"the weights of epoch {best} are kept, whose loss on held-out pairs is least"
    if last < settings["max_epochs"]:
        patience = settings["patience"]
        return [f"It stopped after epoch {last}, {patience} epochs without improvement: {kept}."]
    return [f"It stopped after epoch {last}, the last (max_epochs): {kept}."]
