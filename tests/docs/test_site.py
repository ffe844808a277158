"""The site: its navigation, and the modules in `docs/website` that make pages; no MkDocs needed."""

from __future__ import annotations

import importlib.util
import json
import re
import sys

import pytest
import yaml
from doc_pages import ROOT

from api_pages import PACKAGES, api_pages
from docstring_text import display, markdown
from links import PAGES as SHOWN_PAGES
from links import linked_files, site_links, site_path, source_page
from method_page import PageError, method_page, parted
from notebook_page import notebook_page
from upslope.search import METHODS
from upslope.training.settings import method_settings

DOCS = ROOT / "docs"
CONFIG = yaml.safe_load((ROOT / "mkdocs.yml").read_text())


def in_nav(nav):
    """The pages of a navigation, in order."""
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [page for part in parts for page in in_nav(part)]


def pages_of_the_site():
    """Every page that a reader should find: written, shown or made."""
    written = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    notebooks = {str(p.relative_to(DOCS).with_suffix(".md")) for p in DOCS.rglob("*.ipynb")}
    made = {"api/upslope.md", *(f"api/{package}.md" for package in PACKAGES)}
    return written | notebooks | made | set(SHOWN_PAGES.values())


def test_every_page_is_in_the_navigation_once():
    listed = in_nav(CONFIG["nav"])
    assert set(listed) == pages_of_the_site(), "the nav of mkdocs.yml lists every page"
    assert len(listed) == len(set(listed))


def test_a_page_that_is_left_out_is_seen():
    nav = [part for part in CONFIG["nav"] if "Methods" not in part]
    assert "methods/ppo.md" in pages_of_the_site() - set(in_nav(nav))


def test_nothing_is_fetched_from_elsewhere():
    files = CONFIG["extra_css"] + CONFIG["extra_javascript"] + CONFIG["extra"]["polyfills"]
    assert CONFIG["theme"]["font"] is False
    assert all((DOCS / file).is_file() for file in files)
    for style in DOCS.glob("assets/**/*.css"):
        for url in re.findall(r"url\(([^)]+)\)", style.read_text()):
            assert (style.parent / url).is_file(), f"{style.name}: {url}"


def test_the_reference_has_every_package_with_a_table():
    pages = api_pages()
    assert set(pages) == {"api/upslope.md", *(f"api/{package}.md" for package in PACKAGES)}
    stubs = {path.parent.name for path in (ROOT / "src" / "upslope").glob("*/__init__.pyi")}
    assert stubs == set(PACKAGES)
    assert "::: upslope.training.train.train\n" in pages["api/upslope.md"]
    assert "::: upslope.environments.classic.cartpole.CartPole\n" in pages["api/environments.md"]
    assert "::: upslope.search.gradient.ppo.PPO\n" not in pages["api/search.md"]
    assert "](../methods/ppo.md#api)" in pages["api/search.md"]
    assert "](upslope.md#upslope.training.run.Run)" in pages["api/training.md"]


@pytest.fixture(scope="module")
def method_pages():
    names = METHODS.names()
    return {
        name: method_page(name, (DOCS / "methods" / f"{name}.md").read_text()) for name in names
    }


def test_method_pages_have_what_the_class_says(method_pages):
    for name, page in method_pages.items():
        thing = METHODS.entry(name).load()
        _, sections = parted(page)
        assert "$$" in sections["Equation"], name
        assert not re.search(r"^    ", sections["Equation"], re.MULTILINE), f"{name}: plain text"
        settings = set(re.findall(r"^(?:\| |- )`(\w+)`", sections["Settings"], re.MULTILINE))
        assert settings == set(method_settings(thing)) - {"total_timesteps"}, name
        assert all(text.split("|")[-2].strip() for text in sections["Settings"].split("\n")[2:-1]
                   if text.startswith("|")), f"{name}: a setting without a meaning"  # fmt: skip
        assert f".{thing.__name__}\n    options:" in sections["API"]


def test_a_page_of_a_method(method_pages):
    _, sections = parted(method_pages["ppo"])
    titles = list(sections)
    assert titles[titles.index("Logged") - 1] == "Settings"
    assert r"\operatorname{clip}(\rho_t" in sections["Equation"]
    assert "with eps = `clip_range`" in sections["Equation"]
    row = "| `learning_rate_schedule` | `constant` or `linear` | `constant` | "
    assert row in sections["Settings"]
    assert "    clip_range=0.2,\n" in sections["API"]
    assert "`run.curves[NAME]`" in sections["Logged"]
    assert "`uncertainty_handling`" in parted(method_pages["cma-es"])[1]["Settings"]


def test_what_a_page_does_not_explain_is_seen():
    page = (DOCS / "methods" / "ppo.md").read_text()
    with pytest.raises(PageError, match="approx_kl"):
        method_page("ppo", re.sub(r"^\| `approx_kl`.*\n", "", page, flags=re.MULTILINE))
    with pytest.raises(PageError, match="approximate_kl"):
        method_page("ppo", page.replace("| `approx_kl` |", "| `approximate_kl` |"))


def test_a_class_without_an_equation_is_seen():
    class Unexplained:
        """Searches somehow."""

    page = (DOCS / "methods" / "ppo.md").read_text()
    with (
        METHODS.registered("unexplained", Unexplained),
        pytest.raises(PageError, match="Unexplained has no equation"),
    ):
        method_page("unexplained", page)


def test_docstrings_become_markdown():
    equation = ".. math:: a = b, \\qquad\n          c = d\n"
    read = markdown(f"One::\n\n    run = 1\n\n{equation}\nSee :class:`Run`, :math:`x^2`.")
    assert read.startswith("One:\n\n    run = 1\n")
    assert "\\begin{gathered}\na = b, \\\\[4pt]\nc = d\n\\end{gathered}" in read
    assert read.endswith("See `Run`, $x^2$.")
    assert display("a = b") == "\n$$\na = b\n$$\n"


def test_links_lead_to_pages_of_the_site():
    text = (
        "[a](../CONTRIBUTING.md#add-a-method) [b](skeletons/method.py) [c](logging.md#x) "
        "[d](https://example.org/x.py) [e](#here) [f](nowhere.py)"
    )
    assert linked_files(text, "docs/your-own-method.md") == {
        "CONTRIBUTING.md",
        "docs/skeletons/method.py",
    }
    assert site_links(text, "docs/your-own-method.md", "your-own-method.md") == (
        "[a](contributing.md#add-a-method) [b](source/docs/skeletons/method.py.md) "
        "[c](logging.md#x) [d](https://example.org/x.py) [e](#here) [f](nowhere.py)"
    )
    shown = site_links("[x](docs/index.md)", "CONTRIBUTING.md", "contributing.md")
    assert shown == "[x](index.md)"
    assert site_path("docs/notebooks/first.ipynb") == "notebooks/first.md"
    assert source_page("docs/skeletons/method.py").startswith("# method.py\n\n`docs/skeletons/")


def test_notebooks_become_pages():
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "text"]},
        {
            "cell_type": "code",
            "source": ["print(1)"],
            "outputs": [
                {"output_type": "stream", "text": ["1\n"]},
                {"output_type": "display_data", "data": {"image/png": "aGk=", "text/plain": "f"}},
            ],
        },
    ]
    page, pictures = notebook_page(json.dumps({"cells": cells}), "first")
    assert page.startswith(
        "# Title\ntext\n\n```python\nprint(1)\n```\n\n```text { .output }\n1\n```"
    )
    assert pictures == {"first-1.png": b"hi"}
    assert "(first-1.png)" in page


def test_the_budgets_of_the_decision_page_are_those_of_the_presets():
    text = (DOCS / "how-to-choose.md").read_text().split("## By budget")[1].split("\n## ")[0]
    head, _, *rows = [line.strip("|").split("|") for line in re.findall(r"^\|.*\|$", text, re.M)]
    tuned = yaml.safe_load((ROOT / "src/upslope/training/presets/presets.yaml").read_text())
    assert len(rows) > 4
    for name, *cells in [[cell.strip(" `") for cell in row] for row in rows]:
        for task, cell in zip(head[1:], cells, strict=True):
            steps = tuned[task.strip()].get(name, {}).get("total_timesteps")
            assert cell == (f"{steps:,}" if steps else ""), f"{name} on {task}"


def module_of(name):
    """A script of `docs/figures`."""
    spec = importlib.util.spec_from_file_location(name, DOCS / "figures" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def pictures(text):
    """The pictures of a page, each with the command in the next block of code; None without."""
    parts = re.split(r"!\[[^\]]*\]\(([^)]+)\)", text)
    found = {}
    for path, after in zip(parts[1::2], parts[2::2], strict=True):
        command = re.match(r"(?:\n!\[.*)?\s*\n {4,}(\S.*)\n", after)
        found[path.rpartition("/")[2]] = command and command[1]
    return found


@pytest.mark.parametrize("page", ["README.md", "docs/gallery.md"])
def test_pictures_stand_over_the_command_that_draws_them(page):
    drawn = module_of("by_command").PICTURES
    shown = pictures((ROOT / page).read_text())
    assert len(shown) >= 2
    for name, command in shown.items():
        if name in drawn:
            assert command == drawn[name].command, name
    assert set(shown) >= {"comparison.png", "gradcheck.png"}


def test_the_gallery_names_figures_that_can_be_drawn():
    shown = pictures((DOCS / "gallery.md").read_text())
    figures = set(module_of("make").FIGURES)
    named = {command.split()[-1] for command in shown.values() if command and "make.py" in command}
    assert len(named) > 5
    assert named <= figures, named - figures
    without = [name for name, command in shown.items() if command is None]
    assert without == ["maze-value.png"], "it shares its command with the picture below"


def test_a_picture_over_another_command_is_seen():
    text = (DOCS / "gallery.md").read_text().replace("--seeds 10", "--seeds 3")
    assert pictures(text)["comparison.png"] != module_of("by_command").PICTURES["comparison.png"][0]


def test_pictures_of_the_terminal_need_nothing_from_elsewhere():
    files = sorted((DOCS / "figures").glob("terminal-*.svg"))
    assert len(files) == 4
    for file in files:
        text = file.read_text()
        assert "<text" in text
        assert set(re.findall(r"https?://[^\"'\s)]+", text)) == {"http://www.w3.org/2000/svg"}
