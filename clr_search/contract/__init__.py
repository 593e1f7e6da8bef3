"""What a model file is, how it proves itself, and the one door to ONNX Runtime."""
