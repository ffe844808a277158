"""Files that survive: atomic folders, checkpoints, artefacts. Nothing that is loaded runs code."""
