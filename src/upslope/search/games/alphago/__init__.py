"""AlphaGo's pipeline: imitation, reinforcement by self-play, values, and a search of all three."""
