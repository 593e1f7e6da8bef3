"""Tables that people give: labels and columns of pictures, by their paths."""
