"""What travels with a policy without being searched."""

from __future__ import annotations

import equinox as eqx


class NonTrainable(eqx.Module):
    """Base of the parts of a policy whose numbers are given, not learned (fixed features, tables).

    They are left out of the parameter vector (`upslope.core.tree.ravel_parameters`); who calls them
    stops the gradient.
    """
