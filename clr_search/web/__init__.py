"""Parts that the HTTP service and the browser application share: host checks and thumbnails."""
