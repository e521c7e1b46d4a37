"""The two-layer learner: its rule and units, starts, the chain of its overlaps, the network, stored examples."""
