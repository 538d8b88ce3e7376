"""Finished chunks to object storage, verified."""
