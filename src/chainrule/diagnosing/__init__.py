"""Why a network does not learn: controlled experiments, and the causes that they reveal."""
