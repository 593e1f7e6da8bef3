"""The report of a study: effects over the length of the training, a page for each experiment."""
