"""What viewers get: encoders for pictures and voice, and the MP4 around both."""
