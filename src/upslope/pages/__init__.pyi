"""Pages of HTML that stand alone: text, tables, charts and films in one file."""

from upslope.core.lazy_names import Table
from upslope.pages.blocks import Bar as Bar
from upslope.pages.blocks import Clip as Clip
from upslope.pages.blocks import Code as Code
from upslope.pages.blocks import DataTable as DataTable
from upslope.pages.blocks import Facts as Facts
from upslope.pages.blocks import Figure as Figure
from upslope.pages.blocks import Figures as Figures
from upslope.pages.blocks import Film as Film
from upslope.pages.blocks import Notes as Notes
from upslope.pages.blocks import Page as Page
from upslope.pages.blocks import Prose as Prose
from upslope.pages.blocks import Section as Section
from upslope.pages.blocks import Shares as Shares
from upslope.pages.blocks import Slide as Slide
from upslope.pages.blocks import Slides as Slides
from upslope.pages.html_page import html_of as html_of
from upslope.pages.intervals import Interval as Interval
from upslope.pages.intervals import interval_chart as interval_chart
from upslope.pages.lines import Line as Line
from upslope.pages.lines import line_chart as line_chart

TABLE: Table
__all__: list[str]
