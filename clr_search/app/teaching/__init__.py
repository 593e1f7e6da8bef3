"""Classes that a person teaches: labels, a classifier that learns at once, and what to label next.

`ridge` and `proposals` are arithmetic; `Lesson` is what was learnt of one state of the labels;
`Teacher` keeps labels and vectors, and writes to the collection; `Finishing` fits what is saved.
"""
