"""What is measured during a training: metrics, kNN accuracy, collapse, held-out images, curves."""
