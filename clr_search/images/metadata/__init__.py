"""What a camera wrote beside the pixels: date, camera and place, read without decoding."""
