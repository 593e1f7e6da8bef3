"""Files on disk: finding images, and writing without ever leaving a half-written file."""
