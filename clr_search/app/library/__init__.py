"""The collection as the page sees it, its thumbnails, and what visitors have uploaded."""
