"""The ONNX side: what leaves the graph, its operators, its layers, and the way back to a checkpoint."""
