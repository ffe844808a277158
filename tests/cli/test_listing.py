"""`upslope list` and `upslope show`."""

import re

import pytest

from upslope.cli.equation import terminal_math
from upslope.cli.main import main
from upslope.environments import ENVIRONMENTS
from upslope.models import MODELS
from upslope.objectives import OBJECTIVES
from upslope.planning import PLANNERS
from upslope.policies import POLICIES
from upslope.search import METHODS


@pytest.mark.parametrize(
    ("kind", "registry"),
    [
        ("envs", ENVIRONMENTS),
        ("methods", METHODS),
        ("policies", POLICIES),
        ("objectives", OBJECTIVES),
        ("planners", PLANNERS),
        ("models", MODELS),
    ],
)
def test_every_name_has_its_line(kind, registry, capsys):
    assert main(["list", kind]) == 0
    lines = capsys.readouterr().out.splitlines()
    for entry, line in zip(registry, lines, strict=False):
        assert line.split()[0] == entry.name
        assert entry.summary in line


@pytest.mark.parametrize("name", METHODS.names())
def test_a_method_shows_equation_settings_and_reference(name, capsys):
    assert main(["show", name]) == 0
    text = capsys.readouterr().out
    equations = [
        line for line in text.splitlines() if line.startswith("    ") and re.search("[θQ]", line)
    ]
    assert equations
    assert "References" in text
    assert "(" in text.split("References")[1]
    assert "\\" not in text
    assert max(map(len, text.splitlines())) <= 100


def test_settings_are_shown_with_type_default_and_meaning(capsys):
    main(["show", "ppo"])
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("  --learning-rate  float  = 0.0003")
    assert lines[at + 1].strip() == "step size of Adam, for policy and value function together."
    assert "  --target-kl  float | none  = none" in lines
    assert not any("total-timesteps" in line for line in lines)


@pytest.mark.parametrize("name", ["CartPole-v1", "softmax", "discounted", "garnet", "mppi"])
def test_other_names_are_shown_too(name, capsys):
    assert main(["show", name]) == 0
    assert capsys.readouterr().out.startswith(f"{name}: ")


def test_a_name_of_two_kinds_shows_both(capsys):
    main(["show", "cem"])
    method, planner = capsys.readouterr().out.split("There is a planner 'cem', too.")
    assert "--population-size" in method
    assert "--horizon  int  = 20" in planner
    assert "--planner cem" in planner


def test_a_model_shows_its_flags_and_the_items_of_its_lists(capsys):
    assert main(["show", "ensemble"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.endswith("b = 1, …, E") for line in lines)
    items = [i for i, line in enumerate(lines) if line.startswith("- ")]
    assert [lines[i].split(":")[0] for i in items] == ['- "ts-infinity"', '- "ts1"', '- "mean"']
    assert all(lines[i].startswith("  ") for i in range(items[0], items[1]) if i not in items)
    assert "  --model.n-members  int  = 5" in lines
    assert not any("json" in line for line in lines)


def test_an_unknown_name_gets_the_near_ones_and_the_way_to_all(capsys):
    assert main(["show", "reinforse"]) == 2
    said = capsys.readouterr().err
    assert "Did you mean 'reinforce'" in said
    assert "upslope list" in said
    assert "nelder-mead" not in said
    assert len(said) < 400


@pytest.mark.parametrize(
    ("latex", "shown"),
    [
        (r"\theta \leftarrow \theta + \eta \, \hat g(\theta)", "θ ← θ + η ĝ(θ)"),
        (r"\frac1N \sum_{n,t} \gamma^t", "1/N Σ_(n,t) γ^t"),
        (r"\frac{a + b} {\frac{c}{d}}", "(a + b) / (c / d)"),
        (r"E\Big[\min\big(\rho_t A_t\big)\Big]", "E[min(ρ_t A_t)]"),
        (r"\sigma^2 \ge 0, \qquad x \in \mathcal N(0, 1)", "σ² ≥ 0,   x ∈ N(0, 1)"),
        (r"\pi_{\theta_\text{old}}(a_t|s_t)", "π_θ_old(a_t|s_t)"),
        (r"\max(0, \{1 - t\})", "max(0, {1 - t})"),
    ],
)
def test_equations_read_well_in_a_terminal(latex, shown):
    assert terminal_math(latex) == shown


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("CartPole-v1", ["Discrete(2)", "500 steps", "softmax (the default)", "ppo, reinforce"]),
        (
            "gymnasium:Blackjack-v1",
            ["Tuple(Discrete(32)", "--env.sab  = True", "time limit    none"],
        ),
        ("MountainCar-v0", ["200 steps", "linear-softmax"]),
        ("tic-tac-toe", ["'action_mask': MultiBinary(9)", "--env.opponent"]),
    ],
)
def test_an_environment_shows_what_training_accepts(name, said, capsys):
    assert main(["show", name]) == 0
    text = capsys.readouterr().out
    for part in said:
        assert part in text
    assert "default" in text.split("methods")[1]
    assert text.rstrip().endswith(f"Try it: upslope train {name}")
    assert max(map(len, text.splitlines())) <= 100


def test_an_environment_without_tuned_settings_says_so(capsys):
    main(["show", "garnet"])
    assert "none of them: each runs with its own defaults" in capsys.readouterr().out


def test_an_environment_that_needs_settings_is_shown_without_spaces(capsys):
    with ENVIRONMENTS.registered("needs-a-size", needs_a_size):
        assert main(["show", "needs-a-size"]) == 0
    text = capsys.readouterr().out
    assert "Training" not in text


def needs_a_size(size: int) -> object:
    """Cannot be built without it."""
    raise AssertionError("nobody gave a size")


def test_long_equations_are_told_one_statement_per_line():
    from upslope.cli.listing import statements

    equation = r"a = b, \qquad c = d"
    assert statements(equation, 80) == ["    a = b,   c = d"]
    assert statements(equation, 16) == ["    a = b,", "    c = d"]
