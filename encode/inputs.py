"""What a chunk is made of, as a digest: equal digests make equal pictures, and the same sound. Pure."""

from __future__ import annotations

import hashlib
import json

from lesson.model import Rendition

CODER = 2
"""Raised when what is coded of the same inputs changes on purpose: then an edition makes all its chunks again."""


def digest_of(*parts: object) -> str:
    """16 hex digits for values that JSON knows: nothing may name itself, as names change. Raises `TypeError`."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def chunk_inputs(rendition: Rendition, init_sha256: str, material: str) -> str:
    """The digest of one chunk of one rendition. `material`: of what is shown or heard; the rest is how it is coded."""
    return digest_of(CODER, rendition.digest, init_sha256, material)
