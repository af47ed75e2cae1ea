"""The paper's rivals: filter-pruned networks, recovered layer by layer without gradients of the whole."""
