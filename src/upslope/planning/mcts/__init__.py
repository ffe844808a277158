"""Monte-Carlo tree search: ours (UCT with rollouts and a solver), and mctx's (PUCT, Gumbel)."""
