"""Receiving what an encoder sends by RTMP (Adobe's specification 1.0), as an FLV stream that libav reads."""
