"""Pictures of environments' states, and films of pictures."""

from upslope.core.lazy_names import lazy_names

TABLE = {
    "BoardView": "board_view",
    "Canvas": "canvas",
    "ObservationPlot": "observations",
    "Panel": "panels",
    "Scene": "scenes",
    "board_lines": "board_text",
    "board_svg": "board_picture",
    "cells_text": "grid_text",
    "film_formats": "film_file",
    "scene_of": "scenes",
    "side_by_side": "panels",
    "view_of": "board_view",
    "write_film": "film_file",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, TABLE)
