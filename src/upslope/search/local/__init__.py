"""Methods that move one incumbent."""
