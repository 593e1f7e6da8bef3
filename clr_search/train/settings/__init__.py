"""The settings of a training.

`config` and `model` declare every setting, `declaration` says what follows from that, `presets` has
sets of settings by name, `choices` chooses those that are left open, `resolved` is what a run
stores, and `advice` warns of settings that commonly spoil a training.
"""
