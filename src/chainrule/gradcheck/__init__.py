"""Whether somebody's own gradient is the derivative of their loss, and what is wrong if not."""
