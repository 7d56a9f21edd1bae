"""The parts of ``benchmarks/fps.py``: entries, the processes that run them, rounds, ratios, limits, the page."""
