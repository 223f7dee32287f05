"""Busway's resilience: timeouts, retries, concurrency limits, circuit breakers, dead letters."""

from busway_resilience.circuit_breaker import CircuitBreakerInterceptor
from busway_resilience.concurrency import ConcurrencyInterceptor
from busway_resilience.dead_letter import DeadLetter, DeadLetterInterceptor, read_dead_letters
from busway_resilience.exceptions import CircuitOpenError, HandlerTimeoutError
from busway_resilience.interceptor import ResilienceInterceptor
from busway_resilience.retry import RetryInterceptor
from busway_resilience.timeout import TimeoutInterceptor

__all__ = [
    "CircuitBreakerInterceptor",
    "CircuitOpenError",
    "ConcurrencyInterceptor",
    "DeadLetter",
    "DeadLetterInterceptor",
    "HandlerTimeoutError",
    "ResilienceInterceptor",
    "RetryInterceptor",
    "TimeoutInterceptor",
    "read_dead_letters",
]
