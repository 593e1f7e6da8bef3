"""Optimizers, the schedule of the learning rate, and the number of epochs for a given time."""
