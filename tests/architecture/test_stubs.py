"""Type checkers see what the tables say."""

import ast

from stubs import SOURCE, stubs

from upslope.core.lazy_names import stub


def test_stubs_are_those_of_the_tables():
    expected = stubs()
    assert (
        "from upslope.search.gradient.ppo import PPO as PPO\n"
        in (expected[SOURCE / "search" / "__init__.pyi"])
    )
    stale = [path for path, text in expected.items() if path.read_text() != text]
    assert not stale, f"run `python tests/architecture/stubs.py`: {stale}"
    assert set(SOURCE.rglob("*.pyi")) == set(expected)


def test_a_stub_names_everything_public(tmp_path, monkeypatch):
    (tmp_path / "small_package.py").write_text(
        "from upslope.core.lazy_names import lazy_names\n"
        "from upslope.core.registry import Registry\n"
        "THINGS = Registry('thing')\n"
        "TABLE = {'Thing': 'family.thing'}\n"
        "__getattr__, __dir__, __all__ = lazy_names(__name__, TABLE, 'THINGS', 'Registry')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    tree = ast.parse(stub("small_package"))
    bound = {a.asname for n in tree.body if isinstance(n, ast.ImportFrom) for a in n.names}
    declared = {n.target.id for n in tree.body if isinstance(n, ast.AnnAssign)}
    assert bound - {None} == {"Thing", "Registry"}
    assert declared == {"THINGS", "TABLE", "__all__"}


def test_the_package_says_that_it_is_typed():
    assert (SOURCE / "py.typed").exists()
