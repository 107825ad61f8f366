"""Disturbances of the service: what runs, what is asked of it, and what is done to it."""
