"""Busway's middleware: trace ids, filters, rate limits, logging, redaction."""

from busway_middleware.event_log import LoggingMiddleware
from busway_middleware.filter import FilterMiddleware
from busway_middleware.handler_filter import FilterInterceptor
from busway_middleware.invalidations import INVALIDATIONS
from busway_middleware.rate_limit import RateLimitMiddleware
from busway_middleware.redaction import REDACTED, RedactionMiddleware
from busway_middleware.trace import TraceMiddleware

__all__ = [
    "INVALIDATIONS",
    "REDACTED",
    "FilterInterceptor",
    "FilterMiddleware",
    "LoggingMiddleware",
    "RateLimitMiddleware",
    "RedactionMiddleware",
    "TraceMiddleware",
]
