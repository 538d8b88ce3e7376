"""A classroom that every machine has: scenes drawn and voiced as functions of time."""
