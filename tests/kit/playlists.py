"""Judges of HLS playlists: the rules of RFC 8216 written down here, the m3u8 package, and npm's hls-parser (strict)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import m3u8  # type: ignore[import-untyped]
import pytest

from tests.kit.places import NODE_MODULES

_SCRIPT = """
const HLS = require('hls-parser');
HLS.setOptions({strictMode: true});
for (const file of process.argv.slice(1)) {
  try { HLS.parse(require('fs').readFileSync(file, 'utf8')); }
  catch (error) { console.error(`${file}: ${error.message}`); process.exitCode = 1; }
}
"""
_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"\n\r]*"|[^",\s]+)')
_LINE = re.compile(r"#EXT-X-[A-Z-]+(:.+)?|#EXTM3U|#EXTINF:\d+(\.\d{1,6})?,|[A-Za-z0-9._/-]+")


def attributes(line: str) -> dict[str, str]:
    """The attribute list of a tag, quotes taken off. Fails on anything RFC 8216 section 4.2 does not allow."""
    text = line.partition(":")[2]
    found = _ATTRIBUTE.findall(text)
    assert ",".join(f"{name}={value}" for name, value in found) == text, f"no attribute list: {line}"
    names = [name for name, _ in found]
    assert len(names) == len(set(names)), f"an attribute is repeated: {line}"
    return {name: value.strip('"') for name, value in found}


def _lines(text: str) -> list[str]:
    assert text.endswith("\n")
    assert "\r" not in text
    lines = text.splitlines()
    assert lines[0] == "#EXTM3U"
    for line in lines:
        assert _LINE.fullmatch(line), f"not a line of a playlist: {line!r}"
    return lines


def check_media(text: str, *, final: bool) -> list[tuple[float, str]]:
    """Check a media playlist by the rules; its segments as (seconds, URI)."""
    lines = _lines(text)
    tags = [line.split(":", 1)[0] for line in lines if line.startswith("#")]
    once = ["VERSION", "TARGETDURATION", "MEDIA-SEQUENCE", "PLAYLIST-TYPE", "INDEPENDENT-SEGMENTS", "MAP"]
    for name in once:
        assert tags.count(f"#EXT-X-{name}") == 1, name
    assert not [tag for tag in tags if tag in {"#EXT-X-STREAM-INF", "#EXT-X-MEDIA"}], "media and multivariant mixed"
    assert "#EXT-X-VERSION:7" in lines
    assert f"#EXT-X-PLAYLIST-TYPE:{'VOD' if final else 'EVENT'}" in lines
    assert (lines[-1] == "#EXT-X-ENDLIST") is final
    assert tags.count("#EXT-X-ENDLIST") == final
    target = int(next(line for line in lines if line.startswith("#EXT-X-TARGETDURATION")).split(":")[1])
    segments: list[tuple[float, str]] = []
    for at, line in enumerate(lines):
        if line.startswith("#EXTINF"):
            seconds = float(line[len("#EXTINF:") : -1])
            assert seconds > 0
            assert int(seconds + 0.5) <= target, "EXTINF rounded to the nearest second exceeds the target duration"
            segments.append((seconds, lines[at + 1]))
    uris = [uri for _, uri in segments]
    assert uris
    assert [line for line in lines if not line.startswith("#")] == uris, "every URI has its EXTINF"
    assert len(set(uris)) == len(uris)
    assert attributes(next(line for line in lines if line.startswith("#EXT-X-MAP")))["URI"]
    first = next(at for at, line in enumerate(lines) if line.startswith("#EXTINF"))
    date = lines[first - 1].removeprefix("#EXT-X-PROGRAM-DATE-TIME:")
    assert datetime.fromisoformat(date).tzinfo is not None
    parsed = m3u8.loads(text)
    assert parsed.is_endlist is final
    assert [segment.uri for segment in parsed.segments] == uris
    return segments


def check_multivariant(text: str) -> list[dict[str, str]]:
    """Check a multivariant playlist by the rules; its variants as attributes with their `URI`."""
    lines = _lines(text)
    assert "#EXT-X-VERSION:7" in lines
    assert lines.count("#EXT-X-INDEPENDENT-SEGMENTS") == 1
    assert not [line for line in lines if line.startswith(("#EXTINF", "#EXT-X-TARGETDURATION", "#EXT-X-ENDLIST"))]
    groups = [attributes(line) for line in lines if line.startswith("#EXT-X-MEDIA:")]
    for media in groups:
        assert {"TYPE", "GROUP-ID", "NAME", "URI"} <= set(media)
    assert sum(media.get("DEFAULT") == "YES" for media in groups) <= 1
    variants: list[dict[str, str]] = []
    for at, line in enumerate(lines):
        if line.startswith("#EXT-X-STREAM-INF"):
            variants.append({**attributes(line), "URI": lines[at + 1]})
    assert variants
    for variant in variants:
        assert not variant["URI"].startswith("#")
        assert int(variant["BANDWIDTH"]) >= int(variant["AVERAGE-BANDWIDTH"]) > 0
        assert all(re.fullmatch(r"[A-Za-z0-9.]+", codec) for codec in variant["CODECS"].split(","))
        video = any(codec.startswith(("avc", "hvc", "hev", "vp09", "av01")) for codec in variant["CODECS"].split(","))
        assert ("RESOLUTION" in variant) is ("FRAME-RATE" in variant) is video
        if "RESOLUTION" in variant:
            assert re.fullmatch(r"[1-9]\d*x[1-9]\d*", variant["RESOLUTION"])
        if "AUDIO" in variant:
            assert variant["AUDIO"] in {media["GROUP-ID"] for media in groups}
    rates = [int(variant["BANDWIDTH"]) for variant in variants]
    assert rates == sorted(rates), "the lowest variant comes first"
    assert len(m3u8.loads(text).playlists) == len(variants)
    return variants


def check_strictly(*texts: str, folder: Path) -> None:
    """Have hls-parser in strict mode read each text; skips where node or the package is not installed.

    The package is found below tests/ (`npm ci` there).
    """
    node = shutil.which("node")
    if node is None or not (NODE_MODULES / "hls-parser").is_dir():
        pytest.skip("hls-parser is not installed: run `npm ci` in tests/")
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number, text in enumerate(texts):
        file = folder / f"{number}.m3u8"
        file.write_text(text, encoding="utf-8")
        files.append(str(file))
    result = subprocess.run(
        [node, "-e", _SCRIPT, "--", *files],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "NODE_PATH": str(NODE_MODULES)},
    )
    assert result.returncode == 0, result.stderr
