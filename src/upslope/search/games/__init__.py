"""Methods that search a tree at every step and learn from what it found."""
