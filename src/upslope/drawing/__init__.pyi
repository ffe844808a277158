"""Pictures of environments' states, and films of pictures."""

from upslope.core.lazy_names import Table
from upslope.drawing.board_picture import board_svg as board_svg
from upslope.drawing.board_text import board_lines as board_lines
from upslope.drawing.board_view import BoardView as BoardView
from upslope.drawing.board_view import view_of as view_of
from upslope.drawing.canvas import Canvas as Canvas
from upslope.drawing.film_file import film_formats as film_formats
from upslope.drawing.film_file import write_film as write_film
from upslope.drawing.grid_text import cells_text as cells_text
from upslope.drawing.observations import ObservationPlot as ObservationPlot
from upslope.drawing.panels import Panel as Panel
from upslope.drawing.panels import side_by_side as side_by_side
from upslope.drawing.scenes import Scene as Scene
from upslope.drawing.scenes import scene_of as scene_of

TABLE: Table
__all__: list[str]
