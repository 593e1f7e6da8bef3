"""Importing wraps networks made elsewhere into the contract of `encoder.onnx`."""
