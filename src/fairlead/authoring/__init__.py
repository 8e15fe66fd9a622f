"""How users write work down: steps, flows, conditions and sweeps, traced into a graph."""
