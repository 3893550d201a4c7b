"""Reading the numbers of a training step: trace, chain, proof, health."""
