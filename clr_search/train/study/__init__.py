"""The experiments of the SimCLR paper, at a scale that one machine can run.

`design` says what each experiment compares, `cells` trains and measures it, `report` writes its
page.
"""
