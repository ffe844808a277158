"""The gradient of a smoothed J from populations."""
