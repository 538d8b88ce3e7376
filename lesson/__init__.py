"""The shared vocabulary: time, model, journals, folder, state, HLS text, errors.

Imports neither av, cv2, fastapi nor minio, so that every other room may depend on it.
"""
