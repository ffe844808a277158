"""Two-player games in which the players move in turn and one wins what the other loses."""
