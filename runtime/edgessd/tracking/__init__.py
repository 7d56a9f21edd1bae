"""Tracks of detected objects: ids, zones, lines, and what is told of them. NumPy only."""
