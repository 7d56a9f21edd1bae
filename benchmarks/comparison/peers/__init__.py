"""The peers: each module lists its entries (light) and opens one of them (heavy, in a process of its own)."""
