"""Measured claims, with plots."""
