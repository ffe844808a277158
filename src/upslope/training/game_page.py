"""A game as a page that stands alone: one position after the other, by arrow keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from upslope.drawing.board_picture import board_svg, escaped
from upslope.drawing.board_view import facts_of, view_of
from upslope.environments import PgxGame
from upslope.pages import DataTable, Facts, Page, Section, Slide, Slides, html_of
from upslope.training.played_game import Moment, PlayedGame

if TYPE_CHECKING:
    from upslope.training.played_game import Thought


def game_html(played: PlayedGame, names: tuple[str, str], title: str) -> str:
    """The page of a game, as one file of HTML that asks no network for anything.

    Args:
      played: the game.
      names: of who began and of the other player.
      title: of the page.

    Raises:
      UpslopeError: jinja2 is not installed.
    """
    moments = played.moments
    slides = []
    for number, moment in enumerate(moments):
        # What was thought of a position stands with the move that left it.
        ahead = moments[number + 1] if number + 1 < len(moments) else None
        slides.append(slide_of(played, moment, ahead, number, names))
    rows = [
        (
            str(number),
            names[moment.mover],
            played.names[moment.action],
            *_numbers(moment.thought, moment.action),
        )
        for number, moment in enumerate(moments)
        if moment.action is not None
    ]
    facts = [("first", names[0]), ("second", names[1]), ("moves", str(len(moments) - 1))]
    sections = [
        Section("Game", [Slides(slides, "Arrow keys step through the moves.")]),
        Section(
            "Moves",
            [
                Facts(facts),
                DataTable(
                    ("move", "who", "played", "share", "value"),
                    rows,
                    "Share: of the search's visits, or the policy's probability. Value: what the "
                    "move is worth to who made it, as the search saw it.",
                ),
            ],
        ),
    ]
    return html_of(Page(title, outcome(played, names), LEAD, sections, "Made by Upslope."))


LEAD = "Green discs are the mover's search: their area is the share of its visits."


def outcome(played: PlayedGame, names: tuple[str, str]) -> str:
    """How a game has ended."""
    if not played.over:
        return "not finished"
    if played.result == 0:
        return "a draw"
    winner = 0 if played.result > 0 else 1
    return f"{names[winner]} won as {_side(winner)}"


def slide_of(
    played: PlayedGame, moment: Moment, ahead: Moment | None, number: int, names: tuple[str, str]
) -> Slide:
    """One position, with what the player who is to move thought of it."""
    thought = ahead.thought if ahead is not None else None
    if moment.action is None:
        caption = "The beginning"
    else:
        caption = f"Move {number}: {names[moment.mover]} plays {played.names[moment.action]}"
    if ahead is None and played.over:
        caption += f"; {outcome(played, names)}"
    facts = facts_of(played.game, moment.state)
    worth = ""
    if ahead is not None and thought is not None and thought.value is not None:
        worth = f"{names[ahead.mover]} is to move and expects {thought.value:+.2f}."
    detail = ". ".join(part for part in (facts, worth) if part)
    return Slide(picture(played, moment, thought, caption), caption, detail)


def picture(played: PlayedGame, moment: Moment, thought: Thought | None, title: str) -> str:
    """A position as SVG: its board, pgx's own picture, or words."""
    view = view_of(played.game, moment.state)
    if view is not None:
        return board_svg(
            view,
            visits=None if thought is None else thought.shares,
            values=None if thought is None else thought.values,
            last=moment.action,
            title=title,
            styled=False,
        )
    if isinstance(played.game, PgxGame):
        return scalable(moment.state.game.to_svg(color_theme="light"))
    words = escaped(facts_of(played.game, moment.state) or title)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 420 80" role="img" class="board" '
        f'aria-label="{words}"><rect class="board-ground" width="420" height="80" rx="6"/>'
        f'<text class="board-text" x="210" y="46">{words}</text></svg>'
    )


def scalable(svg: str) -> str:
    """A picture of pgx with the coordinates it is drawn in, so that it can be shown in any size."""
    size = re.search(r'<svg[^>]*\bheight="([\d.]+)[^>]*\bwidth="([\d.]+)', svg)
    if size is None or "viewBox" in svg.partition(">")[0]:
        return svg
    return svg.replace("<svg ", f'<svg viewBox="0 0 {size[2]} {size[1]}" ', 1)


def _numbers(thought: Thought | None, action: int) -> tuple[str, str]:
    if thought is None:
        return "", ""
    value = "" if thought.values is None else f"{thought.values[action]:+.2f}"
    return f"{thought.shares[action]:.0%}", "" if value == "+nan" else value


def _side(number: int) -> str:
    return ("first player", "second player")[number]
