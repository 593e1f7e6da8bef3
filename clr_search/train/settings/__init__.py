"""What a training is set to: settings, presets, choices by the data, advice."""
