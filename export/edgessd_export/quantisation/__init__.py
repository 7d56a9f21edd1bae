"""Half precision and int8: ranges, rounding, and Q/DQ written into a graph."""
