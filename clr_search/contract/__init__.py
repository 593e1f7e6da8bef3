"""The contract of model files: their content, their self-test, and how ONNX Runtime opens them."""
