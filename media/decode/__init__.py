"""Pictures and sound out of files and segments."""
