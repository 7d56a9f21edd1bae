"""Two forms of one model: compared, and refused where they differ too much."""
