"""Pages of HTML that stand alone: text, tables, charts and films in one file."""

from upslope.core.lazy_names import lazy_names

TABLE = {
    "Bar": "blocks",
    "Clip": "blocks",
    "Code": "blocks",
    "DataTable": "blocks",
    "Facts": "blocks",
    "Figure": "blocks",
    "Figures": "blocks",
    "Film": "blocks",
    "Interval": "intervals",
    "Line": "lines",
    "Notes": "blocks",
    "Page": "blocks",
    "Prose": "blocks",
    "Section": "blocks",
    "Shares": "blocks",
    "Slide": "blocks",
    "Slides": "blocks",
    "html_of": "html_page",
    "interval_chart": "intervals",
    "line_chart": "lines",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, TABLE)
