"""Programs of gradient checks run for a moment here: LLVM is asked for less than for users."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def cheap_programs():
    """Compile the estimators as the rest of the suite compiles."""
    import upslope.diagnostics.gradient_samples as gradient_samples

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gradient_samples, "OPTIONS", {"xla_backend_optimization_level": 0})
        yield
