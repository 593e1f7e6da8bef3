"""What the service counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

MEDIA_TYPE = CONTENT_TYPE_LATEST


class Counters:
    """Counters of one service.

    Attributes
    ----------
    requests : Counter
        By route and status.
    seconds : Histogram
        From the first byte to the last, by route.
    batches : Histogram
        Pictures in one inference.
    pending : Gauge
        Pictures taken in and not yet answered for.
    refused : Counter
        Requests refused because too many were waiting.
    items : Gauge
        Pictures in the collection.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "clr_search_requests", "Requests", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "clr_search_request_seconds",
            "Time of a request",
            ["route"],
            buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
            registry=self.registry,
        )
        self.batches = Histogram(
            "clr_search_batch_images",
            "Images in one inference",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )
        self.pending = Gauge(
            "clr_search_pending_images", "Images taken in, not yet answered", registry=self.registry
        )
        self.refused = Counter(
            "clr_search_refused", "Requests refused for load", registry=self.registry
        )
        self.items = Gauge("clr_search_items", "Pictures in the collection", registry=self.registry)

    def text(self) -> bytes:
        """In the exposition format."""
        return generate_latest(self.registry)
