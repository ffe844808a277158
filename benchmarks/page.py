"""Writes docs/benchmarks.md from the stored results; with `--rerun` it measures them first.

python benchmarks/page.py
python benchmarks/page.py --rerun functions populations --evosax-python EVOSAX
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
# Result file: what it is about, and the command that measures it.
PARTS = {
    "functions": ("Searching functions, beside pycma and SciPy", "functions.py"),
    "functions_nelder_mead": (
        "Nelder-Mead beside SciPy's, on a quiet machine",
        "functions.py --only nelder-mead",
    ),
    "host_functions": (
        "CMA-ES's own time on host functions, beside pycma on COCO's bbob",
        "host_functions.py",
    ),
    "mixed_integer": (
        "Whole numbers among reals, beside cmaes and pycma",
        "mixed_integer.py",
    ),
    "populations": ("Populations, beside evosax", "populations.py --evosax-python EVOSAX"),
    "gradient_free": ("Presets of methods that see returns alone", "gradient_free.py"),
    "noise": ("The winner's curse", "noise.py"),
    "model_based": ("Model-based search from a cold process", "model_based.py"),
    "gait": ("A quadruped's gait", "gait/experiment.py"),
    "cartpole_cold_start": (
        "CartPole from a cold process, beside Stable-Baselines3",
        "cartpole_cold_start.py --sb3-python SB3",
    ),
    "cartpole_sixteen": (
        "Sixteen seeds, beside Stable-Baselines3",
        "cartpole_cold_start.py --sixteen --sb3-python SB3",
    ),
    "ppo_throughput": (
        "PPO's steps per second, beside PureJaxRL and rejax",
        "ppo_throughput.py --rejax-python REJAX --purejaxrl-source PUREJAXRL",
    ),
    "reinforce_cartpole": ("REINFORCE on CartPole", "reinforce_cartpole.py"),
    "references": ("Published returns", "references.py"),
    "references_acrobot": (
        "Published returns, Acrobot with today's preset",
        "references.py --only Acrobot-v1",
    ),
    "references_mountaincarcontinuous": (
        "Published returns, MountainCarContinuous with today's preset",
        "references.py --only MountainCarContinuous-v0",
    ),
    "references_dqn_cartpole": (
        "Published returns, DQN on CartPole",
        "references.py --method dqn --only CartPole-v1",
    ),
    "references_dqn_acrobot": (
        "Published returns, DQN on Acrobot",
        "references.py --method dqn --only Acrobot-v1",
    ),
    "references_dqn_mountaincar": (
        "Published returns, DQN on MountainCar",
        "references.py --method dqn --only MountainCar-v0",
    ),
    "references_dqn_lunarlander": (
        "Published returns, DQN on LunarLander",
        "references.py --method dqn --only gymnasium:LunarLander-v3",
    ),
    "tic_tac_toe": ("Masked moves: tic-tac-toe against random moves", "tic_tac_toe.py"),
    "dyna_q": ("Dyna-Q's steps per second, beside a plain NumPy loop", "dyna_q.py"),
    **{
        f"ladder_{name}": (
            f"The ladder: regret to the exact optimum, {name}",
            f"ladder.py --only {name}",
        )
        for name in (
            "dyna-maze",
            "frozen-lake",
            "slippery-lake",
            "taxi",
            "pendulum-grid",
            "linear-quadratic",
        )
    },
    "dqn": (
        "DQN and its buffer, beside Stable-Baselines3, rejax and flashbax",
        "dqn.py --sb3-python SB3 --rejax-python REJAX",
    ),
    "one_step_iterations": ("Iterations of one step", "one_step_iterations.py"),
    "ppo_images": (
        "PPO on images, beside Stable-Baselines3",
        "ppo_images.py --sb3-python SB3",
    ),
    "predict": (
        "Latency of predict, beside Stable-Baselines3",
        "predict.py --sb3-python SB3",
    ),
    "exact": ("Exact values and gradients", "exact.py"),
    "dynamic_programming": (
        "Dynamic programming, beside quantecon",
        "dynamic_programming.py",
    ),
    "ilqr": ("Iterative LQR, beside the cross-entropy method", "ilqr.py"),
    "mcts": (
        "Tree search, beside open_spiel and mctx alone",
        "mcts.py --spiel-python SPIEL",
    ),
    "alphazero": ("AlphaZero: tic-tac-toe and connect four", "alphazero.py"),
    "self_play": ("Self-play, beside mctx and pgx alone", "self_play.py"),
    "muzero": ("MuZero: CartPole and tic-tac-toe", "muzero.py"),
    "tune": ("Tuning PPO on CartPole", "tune.py"),
    "exact_play": ("Exact play of connect four", "exact_play.py"),
    "models": ("Fitting models to data sets", "models.py"),
    "gradcheck": ("gradcheck", "gradcheck.py"),
    "startup": ("Start-up and memory", "startup.py"),
}
PEERS = ("evosax-python", "sb3-python", "rejax-python", "purejaxrl-source", "spiel-python")

HEAD = """# Benchmarks

Every claim with its bar and what was measured, the missed ones too. Contestants take turns on one
machine in one command; ratios are of medians. How, and how the peers are installed:
[benchmarks/README.md](../benchmarks/README.md). `python benchmarks/page.py` writes this page from
the stored results, `python benchmarks/page.py --rerun` measures everything first, and
`python benchmarks/page.py --rerun functions populations` a part of it.
"""


def main() -> int:
    """Runs what is asked for and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rerun", nargs="*", choices=PARTS, help="no name: everything")
    for peer in PEERS:
        parser.add_argument(f"--{peer}")
    arguments = parser.parse_args()
    if arguments.rerun is not None:
        for name in arguments.rerun or PARTS:
            rerun(name, vars(arguments))
    PAGE.write_text(page())
    print(f"written: {PAGE}")
    return 0


def rerun(name: str, given: dict[str, str | None]) -> None:
    """Measures one part. A missed claim is a result, not an error."""
    script, *flags = PARTS[name][1].split()
    for k, flag in enumerate(flags):
        if k and flags[k - 1].startswith("--") and flag.isupper():
            value = given[flags[k - 1][2:].replace("-", "_")]
            if value is None:
                sys.exit(f"{name} needs {flags[k - 1]}: see benchmarks/README.md.")
            flags[k] = value
    subprocess.run([sys.executable, str(HERE / script), *flags], cwd=HERE.parent, check=False)


def page() -> str:
    """The page's text."""
    parts = [HEAD]
    for name, (title, command) in PARTS.items():
        path = HERE / "results" / f"{name}.json"
        if not path.exists():
            continue
        record = json.loads(path.read_text())
        machine = record["machine"]
        parts.append(f"\n## {title}\n")
        parts.append(
            f"`python benchmarks/{command}`, {record['date'][:10]}, {machine['cpu']}, "
            f"{machine['cores']} cores.\n"
        )
        parts.append("| claim | bar | measured | |\n|---|---|---|---|")
        for claim in record["claims"]:
            relation = {">=": "≥", "<=": "≤"}[claim["relation"]]
            verdict = "met" if claim["met"] else "**missed**"
            text = claim["claim"].replace("|", "\\|")
            parts.append(
                f"| {text} | {relation} {claim['bar']:,.6g} | {claim['value']:,.5g} | {verdict} |"
            )
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main())
