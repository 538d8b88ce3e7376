"""Feeds to durable raw segments: one process per source."""
