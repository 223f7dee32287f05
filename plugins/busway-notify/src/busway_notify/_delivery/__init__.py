"""Delivery: what network channels are to send, in a queue each, served by one thread."""
