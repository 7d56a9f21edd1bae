"""A model served by NVIDIA Triton as a backend: the frame is resized here, the network runs there."""
