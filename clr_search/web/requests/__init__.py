"""What is known of one request: whose page sent it, who asks, and its body as it passes."""
