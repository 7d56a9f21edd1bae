"""From a checkpoint to ONNX and to an engine, in the precision asked, proven equal to what was trained."""
