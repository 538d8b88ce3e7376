"""The one room that imports av: reading, decoding, encoding and writing media."""
