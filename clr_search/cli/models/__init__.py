"""Commands that make, judge and use models: train, export, study, probe, classify, evaluate."""
