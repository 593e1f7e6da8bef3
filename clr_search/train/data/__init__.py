"""From image files to batches of random views.

`decode` decodes every file once into a `collection`; `batches` fetches the images of each step;
`augment` makes views of them, by the arithmetic of `resample` and `colour`.
"""
