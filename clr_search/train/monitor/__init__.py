"""How a training goes: metrics, curves, accuracy, signs of ill health."""
