"""Optimizers, schedules, and a budget of time."""
