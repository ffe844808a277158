"""Exact play of games: minimax, solved positions, proofs of never losing, exploitability."""
