"""Stage 2, export: a run becomes one self-describing ONNX file, checked against torch."""
