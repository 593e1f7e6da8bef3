"""Networks made elsewhere become encoders, or nothing is written."""
