"""Control plane and web pages: the start and stop button, health, metrics, library, playback on the local network.

It starts nothing by itself: it appends to the control journal of a lesson and reads what the journals say.
"""
