"""`python -m bench.fuzz_consent --seconds 60`: consent signals that nobody would send, found by coverage (atheris).

Ends with an error at the first input at which a decoder raises anything but InvalidSignal, repeats the input in the
error, or takes more than 50 ms of its thread's time. libFuzzer prints that input and writes it to a file crash-...,
which can be run again: `python -m bench.fuzz_consent --seconds 60 crash-...`.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import atheris

with atheris.instrument_imports():
    from models.privacy.bits import CHARS_MAX, InvalidSignal
    from models.privacy.gpp import decode_gpp
    from models.privacy.signals import from_gpp, from_tcf, purposes_of
    from models.privacy.tcf import decode_tcf

DECODE_S_MAX = 0.05
PURPOSES = {number: f"purpose {number}" for number in range(1, 25)}
# A character for each byte, so that most of what is tried gets past the alphabet.
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~" * 4
# Published strings, to start from.
SEEDS = (
    "COvFyGBOvFyGBAbAAAENAPCAAOAAAAAAAAAAAEEUACCKAAA.IFoEUQQgAIQwgIwQABAEAAAAOIAACAIAAAAQAIAgEAACEAAAAAgAQBAAAAAAAGBAAgAAAA"
    "AAAFAAECAAAgAAQARAEQAAAAAJAAIAAgAAAYQEAAAQmAgBC3ZAYzUw.ZAAgH9794ulA",
    "CLcVDxRMWfGmWAVAHCENAXCkAKDAADnAABRgA5mdfCKZuYJez-NQm0TBMYA4oCAAGQYIAAAAAAEAIAEgAA.argAC0gAAAAAAAAAAAA",
    "DBACNY~CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA~1YNN",
    "DBABLA~BVVVVVVVVWA.YA",
    "DBABBg~BVqqqqpY.YA",
)


def decode_once(data: bytes) -> None:
    """One input: as the text it is, or, if its first byte is above 127, with each byte taken for a character."""
    body = data[1:]
    text = "".join(map(ALPHABET.__getitem__, body)) if data[:1] > b"\x7f" else body.decode("utf-8", "surrogateescape")
    began = time.thread_time()
    try:
        if text.startswith("C"):
            from_tcf(decode_tcf(text), PURPOSES)
        else:
            signals = decode_gpp(text)
            from_gpp(signals, ["sale"])
            purposes_of(signals, PURPOSES, ["sale"])
    except InvalidSignal as refusal:
        if len(text) > 7 and text in str(refusal):
            raise AssertionError("the error repeats the signal") from refusal
    taken = time.thread_time() - began
    if taken > DECODE_S_MAX:
        raise AssertionError(f"took {taken * 1000:.0f} ms, more than {DECODE_S_MAX * 1000:.0f} ms")


def main() -> None:
    """Does not return: libFuzzer ends its process, with 0 if it found nothing."""
    parser = argparse.ArgumentParser(description="Fuzzes the decoders of consent signals.")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("inputs", nargs="*", help="files to run again, or a directory of texts to start from")
    given = parser.parse_args()
    if given.inputs:
        options = [f"-max_total_time={given.seconds}", f"-max_len={CHARS_MAX + 2}", "-len_control=0", "-timeout=5"]
        atheris.Setup([sys.argv[0], *options, *given.inputs], decode_once)
        atheris.Fuzz()
    with tempfile.TemporaryDirectory() as corpus:  # libFuzzer would not clean it up: it runs in a child
        for number, seed in enumerate(SEEDS):
            (Path(corpus) / f"text-{number}").write_bytes(b"\x00" + seed.encode())
            (Path(corpus) / f"codes-{number}").write_bytes(b"\xff" + bytes(map(ALPHABET.index, seed)))
        command = [sys.executable, "-m", "bench.fuzz_consent", "--seconds", str(given.seconds), corpus]
        sys.exit(subprocess.run(command).returncode)


if __name__ == "__main__":
    main()
