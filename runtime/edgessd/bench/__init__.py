"""The product's own frame path, measured."""
