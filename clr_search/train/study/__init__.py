"""The experiments of the SimCLR paper, at a scale that one machine can run.

`design` says what each experiment compares, `scope` which trainings that makes, `store` keeps their
results, `work` and `workers` do them, `cost` tells how long it takes, `measures` what is measured,
and `report` draws the effects over the length of the training and writes the pages.
"""
