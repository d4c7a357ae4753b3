#!/usr/bin/python3
"""Audio files that lie, made from nothing: headers that promise too much, too little or nonsense.

    make.py FOLDER        writes them there
    make.py --regions BUILD/tests/bench/regions      decodes each within 10 s and 512 MB of memory. Speaks TAP

What must come of each stands beside it: "refused" (a sentence), or the number of frames that can honestly be decoded.
"""
import argparse
import json
import math
import os
import resource
import struct
import subprocess
import sys
import tempfile

RATE = 44100


def samples(frames, channels=1):
    return b"".join(struct.pack("<h", int(8000 * math.sin(i * 0.05))) * channels for i in range(frames))


def chunk(name, body, size=None, endian="<"):
    return name + struct.pack(endian + "I", len(body) if size is None else size) + body + b"\0" * (len(body) & 1)


def fmt(tag=1, channels=1, rate=RATE, bits=16, align=None, extra=b""):
    align = channels * bits // 8 if align is None else align
    return struct.pack("<HHIIHH", tag, channels, rate, rate * align & 0xffffffff, align & 0xffff, bits) + extra


def wav(*chunks, size=None, magic=b"RIFF"):
    body = b"WAVE" + b"".join(chunks)
    return magic + struct.pack("<I", len(body) if size is None else size) + body


def plain(frames=4410, channels=1, rate=RATE, **keys):
    return wav(chunk(b"fmt ", fmt(channels=channels, rate=rate, **keys)), chunk(b"data", samples(frames, channels)))


def extended(rate):
    """The 80-bit number of an AIFF header."""
    exponent = rate.bit_length() - 1
    return struct.pack(">HQ", 16383 + exponent, rate << (63 - exponent))


def aiff(frames, claimed, rate=extended(RATE), channels=1, form=b"AIFF", ssnd=None):
    swapped = b"".join(struct.pack(">h", v) for (v,) in struct.iter_unpack("<h", samples(frames, channels)))
    common = struct.pack(">hIh", channels, claimed, 16) + rate
    body = form + chunk(b"COMM", common, endian=">") + chunk(b"SSND", b"\0" * 8 + swapped, ssnd, endian=">")
    return b"FORM" + struct.pack(">I", len(body)) + body


def au(frames, size, rate=RATE, channels=1, offset=24, encoding=3):
    return b".snd" + struct.pack(">IIIII", offset, size, encoding, rate, channels) + samples(frames)


def flac_header(rate=RATE, channels=1, total=0, block=4096):
    info = struct.pack(">HH", block, block) + b"\0" * 6
    info += struct.pack(">Q", (rate << 44) | ((channels - 1) << 41) | (15 << 36) | total) + b"\0" * 16
    return b"fLaC" + bytes([0x80]) + struct.pack(">I", len(info))[1:] + info


def id3(size, body=b""):
    return b"ID3\x03\0\0" + bytes((size >> s) & 127 for s in (21, 14, 7, 0)) + body


def ogg_page(body, flags=2, lacing=None, serial=1, sequence=0):
    lacing = bytes([len(body)]) if lacing is None else lacing
    return b"OggS\0" + bytes([flags]) + struct.pack("<qIII", 0, serial, sequence, 0) + bytes([len(lacing)]) + lacing + body


REFUSED = "refused"
ANY = "any"  # an answer, whichever

CASES = {
    "good.wav": (plain(), 4410),
    "one frame.wav": (plain(1), 1),
    "no frames.wav": (plain(0), REFUSED),
    "data says 4 GiB.wav": (wav(chunk(b"fmt ", fmt()), chunk(b"data", samples(4410), 0xffffffff)), 4410),
    "data says 2 GiB.wav": (wav(chunk(b"fmt ", fmt()), chunk(b"data", samples(4410), 0x7fffffff)), 4410),
    "riff says nothing.wav": (wav(chunk(b"fmt ", fmt()), chunk(b"data", samples(4410)), size=0), ANY),
    "data before fmt.wav": (wav(chunk(b"data", samples(4410)), chunk(b"fmt ", fmt())), ANY),
    "two fmt.wav": (wav(chunk(b"fmt ", fmt()), chunk(b"fmt ", fmt(channels=2)), chunk(b"data", samples(4410))), ANY),
    "no fmt.wav": (wav(chunk(b"data", samples(4410))), REFUSED),
    "no channels.wav": (plain(channels=0), REFUSED),
    "65535 channels.wav": (wav(chunk(b"fmt ", fmt(channels=65535)), chunk(b"data", samples(65535))), REFUSED),
    "1024 channels.wav": (plain(50, channels=1024), 50),
    "rate 0.wav": (plain(rate=0), REFUSED),
    "rate 1.wav": (plain(rate=1), REFUSED),
    "rate 4 GHz.wav": (plain(rate=0xffffffff), REFUSED),
    "rate 1000.wav": (plain(rate=1000), 4410),
    "rate 768000.wav": (plain(rate=768000), 4410),
    "0 bits.wav": (plain(bits=0), REFUSED),
    "255 bits.wav": (plain(bits=255), REFUSED),
    "align 0.wav": (plain(align=0), ANY),
    "align 65535.wav": (plain(align=65535), ANY),
    "unknown tag.wav": (plain(tag=0x4242), REFUSED),
    "adpcm of nothing.wav": (plain(tag=2, bits=4, align=1), ANY),
    "gsm of nothing.wav": (plain(tag=0x31, bits=0, align=65), ANY),
    "chunk in itself.wav": (wav(chunk(b"fmt ", fmt()), b"LIST" + struct.pack("<I", 0xfffffff0)), REFUSED),
    "1000 empty chunks.wav": (wav(*[chunk(b"junk", b"")] * 1000, chunk(b"fmt ", fmt()), chunk(b"data", samples(4410))), ANY),
    "100000 empty chunks.wav": (wav(chunk(b"fmt ", fmt()), chunk(b"data", samples(4410)), *[chunk(b"junk", b"")] * 100000), ANY),
    "a million cues.wav": (wav(chunk(b"fmt ", fmt()), chunk(b"cue ", struct.pack("<I", 1 << 20)), chunk(b"data", samples(4410))), ANY),
    "loops of 4 GiB.wav": (wav(chunk(b"fmt ", fmt()), chunk(b"smpl", b"\xff" * 36), chunk(b"data", samples(4410))), ANY),
    "truncated in fmt.wav": (plain()[:30], REFUSED),
    "truncated in data.wav": (plain()[:44 + 2000], 1000),
    "odd byte.wav": (plain()[:44 + 2001], 1000),
    "ds64 of 2^63.wav": (wav(chunk(b"ds64", b"\xff" * 28), chunk(b"fmt ", fmt()),
                             chunk(b"data", samples(4410), 0xffffffff), size=0xffffffff, magic=b"RF64"), ANY),
    "named wav.flac": (plain(), 4410),
    "text.mp3": (b"It was a dark and stormy night. " * 100, REFUSED),
    "html.wav": (b"<!DOCTYPE html><html><head><title>404</title></head></html>" * 20, REFUSED),
    "zeros.wav": (b"\0" * 100000, REFUSED),
    "ones.mp3": (b"\xff" * 100000, REFUSED),
    "sync words.mp3": (b"\xff\xfb\x90\x64" * 20000, ANY),
    "empty.ogg": (b"", REFUSED),
    "one byte.aiff": (b"F", REFUSED),
    "frames of 4 G.aiff": (aiff(4410, 0xffffffff), ANY),
    "no frames claimed.aiff": (aiff(4410, 0), ANY),
    "rate of infinity.aiff": (aiff(4410, 4410, rate=b"\x7f\xff" + b"\0" * 8), REFUSED),
    "rate of nan.aiff": (aiff(4410, 4410, rate=b"\xff" * 10), REFUSED),
    "ssnd of 4 GiB.aiff": (aiff(4410, 4410, ssnd=0xffffffff), ANY),
    "unknown compression.aifc": (aiff(4410, 4410, form=b"AIFC"), ANY),
    "size unknown.au": (au(4410, 0xffffffff), 4410),
    "size of 4 GiB.au": (au(4410, 0xfffffffe), ANY),
    "offset outside.au": (au(4410, 8820, offset=0x7fffffff), REFUSED),
    "65536 channels.au": (au(4410, 8820, channels=65536), REFUSED),
    "encoding 999.au": (au(4410, 8820, encoding=999), REFUSED),
    "only a header.flac": (flac_header(total=1 << 35), REFUSED),
    "noise for frames.flac": (flac_header(total=1 << 20) + bytes((i * 73 + i // 7) & 255 for i in range(50000)), REFUSED),
    "rate 0.flac": (flac_header(rate=0) + b"\xff\xf8" * 1000, REFUSED),
    "tag of 256 MiB.mp3": (id3((1 << 28) - 1, b"TIT2" + b"\x7f\xff\xff\xff" + b"\0" * 2000), REFUSED),
    "tags only.mp3": (id3(20, b"TBPM\0\0\0\4\0\0\0" b"120" + b"\0" * 6) * 1000, REFUSED),
    "page without end.ogg": (b"".join(ogg_page(b"\1vorbis" + b"\0" * 248, 2 if i == 0 else 1, b"\xff", 1, i) for i in range(2000)), REFUSED),
    "ten thousand streams.ogg": (b"".join(ogg_page(b"\1vorbis" + b"\0" * 23, 2, None, i) for i in range(10000)), REFUSED),
    "opus of 255 channels.ogg": (ogg_page(b"OpusHead\1\xff" + b"\0" * 9 + b"\xff"), REFUSED),
    "atom of nothing.m4a": (b"\0\0\0\x20ftypM4A \0\0\0\0M4A mp42isom\0\0\0\0" + b"\0\0\0\0moov" + b"\0" * 100, REFUSED),
    "atoms in atoms.m4a": (b"\0\0\0\x20ftypM4A \0\0\0\0M4A mp42isom\0\0\0\0" +
                           b"".join(struct.pack(">I", 8 * (2000 - i)) + b"moov" for i in range(2000)), REFUSED),
    "sizes of 2^63.w64": (b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0" + b"\xff" * 7 + b"\x7f" +
                          b"wave\xf3\xac\xd3\x11\x8c\xd1\0\xc0\x4f\x8e\xdb\x8a" + b"\xff" * 200, REFUSED),
    "packets of 2^62.caf": (b"caff\0\1\0\0desc" + struct.pack(">q", 32) + struct.pack(">d", 44100.0) + b"alac" +
                            struct.pack(">IIIII", 0, 0, 4096, 2, 16) + b"pakt" + struct.pack(">q", 24) +
                            struct.pack(">qqii", 1 << 62, 1 << 62, 0, 0) + b"data" + struct.pack(">q", -1) + b"\0" * 500, REFUSED),
    "a playlist.m3u8": (b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n", REFUSED),
    "a concat script.wav": (b"ffconcat version 1.0\nfile /etc/passwd\n" * 10, REFUSED),
    "an sdp.wav": (b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n", REFUSED),
}


def limit():
    resource.setrlimit(resource.RLIMIT_DATA, (512 << 20, 512 << 20))
    resource.setrlimit(resource.RLIMIT_CPU, (10, 10))


def check(regions, folder, name, expected):
    """Why the outcome isn't the expected one, or None."""
    try:
        run = subprocess.run([regions, os.path.join(folder, name)], capture_output=True, timeout=60, check=False,
                             preexec_fn=None if os.environ.get("ASAN_OPTIONS") else limit)
    except subprocess.TimeoutExpired:
        return "no answer within a minute"
    if run.returncode != 0:
        return f"ended with {run.returncode}: {run.stderr[-300:]}"
    answer = json.loads(run.stdout)
    error, frames = answer.get("error"), answer.get("frames", 0)
    if error is not None and len(error) < 10:
        return f"no proper sentence: {error!r}"
    if expected == REFUSED:
        return None if error else f"{frames} frames out of nothing"
    if expected == ANY:
        return None if error or frames > 0 else "neither frames nor an error"
    return None if frames == expected else f"{frames} frames instead of {expected}: {error}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--regions")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sonde-files-", ignore_cleanup_errors=True) as work:
        folder = args.folder or work
        os.makedirs(folder, exist_ok=True)
        for name, (data, _) in CASES.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(data)
        if not args.regions:
            return 0
        failed = 0
        for i, (name, (_, expected)) in enumerate(CASES.items(), 1):
            why = check(args.regions, folder, name, expected)
            failed += why is not None
            print(f"{'not ok' if why else 'ok'} {i} - {name}" + (f"\n# {why}" if why else ""), flush=True)
        print(f"1..{len(CASES)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
