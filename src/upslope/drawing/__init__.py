"""Pictures of environments' states, and films of pictures."""

from upslope.core.lazy_names import lazy_names

TABLE = {
    "Canvas": "canvas",
    "Panel": "panels",
    "Scene": "scenes",
    "film_formats": "film_file",
    "plot_observations": "observations",
    "scene_of": "scenes",
    "side_by_side": "panels",
    "write_film": "film_file",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, TABLE)
