"""Colours: from whatever a file holds to sRGB of 8 bits, without losing what is drawn."""
