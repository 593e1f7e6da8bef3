"""What is known of pictures beside their pixels: EXIF, columns of one's own, and remarks."""
