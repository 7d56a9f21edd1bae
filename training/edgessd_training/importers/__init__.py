"""Foreign weights into our own networks, one module a family."""
