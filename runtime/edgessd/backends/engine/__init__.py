"""The file of a TensorRT engine, its cache and its report."""
