"""The control plane: start and stop, health, library, playback."""
