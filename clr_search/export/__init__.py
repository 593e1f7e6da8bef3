"""Export, stage 2, turns a run into one self-describing ONNX file, checked against torch."""
