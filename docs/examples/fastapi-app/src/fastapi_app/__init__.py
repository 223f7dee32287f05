"""A FastAPI application whose lifespan runs a bus.

It imports nothing: who loads the plugin `welcome` need not wait for FastAPI.
"""
