"""Metrics of the service in the format of Prometheus."""

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
    """The metrics of one service.

    Attributes
    ----------
    requests : Counter
        Number of requests by route and status.
    seconds : Histogram
        Seconds from the first byte of a request to the last of its answer, by route.
    batches : Histogram
        Number of pictures in one inference.
    pending : Gauge
        Number of pictures that have been accepted and not yet answered.
    refused : Counter
        Number of requests that were refused because too many pictures were waiting.
    items : Gauge
        Number of pictures in the collection.
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
        """Return all metrics in the Prometheus exposition format."""
        return generate_latest(self.registry)
