"""What is known of items beside their files: columns, conditions on these, and notes."""
