"""Pictures of environments' states, and films of pictures."""

from upslope.core.lazy_names import lazy_names

TABLE = {
    "Canvas": "canvas",
    "ObservationPlot": "observations",
    "Panel": "panels",
    "Scene": "scenes",
    "film_formats": "film_file",
    "BoardView": "board_view",
    "board_lines": "board_text",
    "board_svg": "board_svg",
    "view_of": "board_view",
    "cells_text": "grid_text",
    "scene_of": "scenes",
    "side_by_side": "panels",
    "write_film": "film_file",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, TABLE)
