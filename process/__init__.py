"""Processes: how a stage lives, logs, shows that it is alive and is kept alive. Knows nothing of media."""
