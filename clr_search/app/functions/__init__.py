"""What the page may ask the server: one file for each tab, one function for each question."""
