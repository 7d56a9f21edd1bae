"""From ONNX to a TensorRT engine and its card. Runs on the device: never imports torch or onnx."""
