"""How good a gradient estimate is: measured while training, and checked against the truth."""
