"""A model without an engine to run it: its card, priors, coding, post-processing, and the files that hold them."""
