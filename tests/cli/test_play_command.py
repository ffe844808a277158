"""`upslope play`: a person's words, searches shown, pages, refusals."""

import io
import sys

import pytest

from upslope.cli.main import main


def say(monkeypatch, text):
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


@pytest.mark.slow
def test_a_person_plays(monkeypatch, capsys):
    """Wrong words, a taken cell, the search over the board, taking back, leaving."""
    say(monkeypatch, "1\nnowhere\n1\n?\nu\n9\nq\n")
    assert main(["play", "mcts-40", "--env", "tic-tac-toe"]) == 0
    out = capsys.readouterr().out
    assert "you play X, mcts-40 plays O" in out
    assert "'nowhere' is no move: type a move; ? what the search thinks" in out
    assert "1 is not a legal move here. Legal are:" in out
    assert "mcts-40 on your position:" in out
    assert "%" in out.split("mcts-40 on your position")[0].splitlines()[-3]
    assert "took back 2 moves" in out
    assert "result   not finished" in out
    assert out.strip().splitlines()[-1].startswith("moves    9 ")


@pytest.mark.slow
def test_two_players_and_a_page(tmp_path, capsys):
    page = tmp_path / "game.html"
    words = ["play", "random", "--env", "nim", "--against", "mcts-20", "--as", "second"]
    assert main([*words, "--out", str(page)]) == 0
    out = capsys.readouterr().out
    assert "mcts-20 plays X, random plays O" in out
    assert "result   mcts-20 won as first player" in out
    assert "mcts-20 against random in nim" in page.read_text()


def test_nothing_to_read(monkeypatch, capsys):
    say(monkeypatch, "")
    assert main(["play", "random", "--env", "tic-tac-toe"]) == 0
    assert "there is no more to read; the game is not finished" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "needs somebody to play against: upslope play"),
        (["mcts-10"], "play got no run that says which game is played: name it, with --env"),
        (["mcts-10", "--env", "conect-four"], "Did you mean 'connect-four'"),
        (["mcts-10", "--env", "CartPole-v1"], "not a game of two players"),
        (["mtcs-10", "--env", "nim"], "play got player='mtcs-10': it must be random"),
        (["mcts-10", "--env", "nim", "--as", "frist"], "--as='frist': must be one of first"),
        (["cem", "--env", "tic-tac-toe"], "play got 'cem', a planner over sequences"),
        (["random", "--env", "nim", "--out", "/nowhere/at/all.html"], "does not exist"),
    ],
)
def test_refusals(words, reason, capsys):
    assert main(["play", *words]) in (2, 5)
    assert reason in capsys.readouterr().err
