"""The programs in the docs run, the short ones are short, and no link leads nowhere."""

import re

import pytest
from doc_pages import ROOT, blocks, code_lines

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROGRAMS = [page for page in PAGES if blocks(page)]
HEADINGS = [
    "Idea",
    "Equation",
    "Pseudocode",
    "When it fails",
    "Logged",
    "Differences from the paper",
    "Results",
    "API",
    "References",
]


def name(page):
    return str(page.relative_to(ROOT))


def links(page):
    """The files and headings of this repository that a page points to."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [x for x in re.findall(r"\]\(([^)\s]+)\)", text) if not x.startswith("http")]


def anchors(page):
    """The anchors that headings make."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.slow
@pytest.mark.parametrize("page", PROGRAMS, ids=name)
def test_programs_run(page, tmp_path, programs):
    assert programs.run("\n".join(blocks(page)), tmp_path, name(page)).strip()


@pytest.mark.slow
def test_a_program_that_fails_is_seen(tmp_path, programs):
    for wrong, message in (
        ("upslope.trian", r'"some page", line 2[^$]*no attribute'),
        ("import warnings; warnings.warn('so')", "UserWarning: so"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import jax.numpy as jnp; jnp.ones(2) + jnp.ones((2, 2))", "rank_promotion"),
    ):
        with pytest.raises(AssertionError, match=message):
            programs.run(f"import upslope\n{wrong}", tmp_path, "some page")


@pytest.mark.slow
def test_programs_know_nothing_of_each_other(tmp_path, programs):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    change = "import jax; jax.config.update('jax_enable_x64', True); mine = 1; open('file', 'w')"
    look = "import jax, os; print('mine' in globals(), os.listdir(), jax.numpy.ones(1).dtype)"
    programs.run(change, first)
    assert programs.run(look, second) == "False [] float32\n"


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("your-own-*.md")), ids=name)
def test_your_own_is_one_short_program(page):
    (program,) = blocks(page)
    assert code_lines(program) < 40


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name(page)} links to {link}"
        assert not anchor or anchor in anchors(target), f"{name(page)} links to {link}"


def test_every_page_is_reachable():
    found, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in found or page.suffix != ".md":
            continue
        found.add(page)
        todo += [(page.parent / x.partition("#")[0]).resolve() for x in links(page)]
    assert set(PAGES) <= found, sorted(map(name, set(PAGES) - found))


def test_every_method_has_its_page():
    from upslope.search import METHODS

    pages = {page.stem for page in (ROOT / "docs" / "methods").glob("*.md")}
    assert pages == set(METHODS.names())


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "methods").glob("*.md")), ids=name)
def test_method_pages_have_the_same_headings(page):
    assert re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE) == HEADINGS


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "methods").glob("*.md")), ids=name)
def test_method_pages_name_everything_that_is_logged(page):
    from method_page import diagnostics
    from upslope.search import METHODS

    logged = page.read_text().split("## Logged")[1].split("\n## ")[0]
    fields = diagnostics(METHODS.entry(page.stem).load())
    assert re.findall(r"^\| `(\w+)`", logged, re.MULTILINE) == fields


def test_commands_in_the_docs_exist():
    from upslope.cli.main import COMMANDS

    used = {
        command
        for page in PAGES
        for command in re.findall(
            r"(?:^\s+|`|&& )upslope ([a-z]+)\b", page.read_text(), re.MULTILINE
        )
    }
    assert used
    assert used <= set(COMMANDS), used


def flags_in(text):
    """What follows `--` in a page's code: the flags that users are told of."""
    code = re.findall(r"`([^`]+)`|^    (.+)$", text, re.MULTILINE)
    ours = [part for pair in code for part in pair if not part.startswith("python ")]
    return {flag for part in ours for flag in re.findall(r"--([a-z][\w-]*)", part)}


def test_flags_in_the_docs_exist():
    from upslope.planning import PLANNERS
    from upslope.policies import POLICIES
    from upslope.search import METHODS
    from upslope.training.config import (
        OBJECTIVE_SETTINGS,
        POLICY_SETTINGS,
        RUN_SETTINGS,
        policy_settings_of,
    )
    from upslope.training.loggers import LOGGERS
    from upslope.training.settings import method_settings, settings_of

    known = {*OBJECTIVE_SETTINGS, *POLICY_SETTINGS, *RUN_SETTINGS, "weights"}
    for entry in METHODS:
        known |= set(method_settings(entry.load()))
    for entry in POLICIES:
        known |= set(policy_settings_of(entry.name))
    for entry in PLANNERS:
        known |= set(settings_of(entry.load()))
    known |= {
        "planner",
        "help",
        "version",
        "traceback",
        "import",
        "config",
        "out",
        "env",
        "episodes",
        "seeds",
    }
    known |= {*LOGGERS, "logdir"}  # the last is TensorBoard's own
    known |= {"estimators", "batch", "false_alarms", "json", "plot", "output", "target", "curves"}
    known |= {"format", "seed_index", "sampled", "plain", "against", "until", "opponent"}
    known |= {"as", "games", "opening_moves", "prior_games"}
    known |= {"trials", "search", "fresh_seeds", "minutes", "sampler", "pruner"}
    known |= {f"no_{flag}" for flag in known}
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        used = {flag.replace("-", "_") for flag in flags_in(page.read_text())} - {"flags"}
        assert used <= known, f"{name(page)}: {used - known}"
