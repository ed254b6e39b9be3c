"""Coverage-guided fuzzing of the frame decoder: `python decoder_target.py CORPUS [-option=...]`.

An input is what a student end says: bytes as they stand, or a header and a payload with a zero
byte between them, for which a fitting prefix is made. The options are libFuzzer's. It stops at the
first input that is neither decoded nor refused with an error of the judge's.
"""

import json
import socket
import sys
import time
import warnings
from pathlib import Path
from random import Random

import atheris

INSTRUMENTED = [
    "nbproctor.remote.wire",
    "nbproctor.remote.proxy",
    "nbproctor.remote.gradients",
    "nbproctor.text",
]
with atheris.instrument_imports(include=INSTRUMENTED):
    from nbproctor.remote import gradients, proxy, wire
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "nbproctor")]

from frames import HOSTILE_DATA, framed, recorded  # noqa: E402
from mutation import PLAIN_VALUES, as_text, mutated  # noqa: E402

from nbproctor.config import Limits  # noqa: E402
from nbproctor.errors import RemoteError  # noqa: E402

LIMITS = Limits(max_reply_header_bytes=1 << 16, max_reply_bytes=1 << 16)
SEPARATOR = b"\x00"


def decode_one(data: bytes) -> None:
    """What the judge does with a reply: receive, decode; only its own errors may come out."""
    if data[:1] != SEPARATOR:
        header, _, payload = data.partition(SEPARATOR)
        data = framed(header, payload)
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            theirs.sendall(data)
        session = proxy.Session(ours, LIMITS, time.monotonic() + 10, gradients.RemoteTensors)
        try:
            header, payload = session.channel.receive(session.deadline)
            answer = header.get("ok")
            if isinstance(answer, dict) and "value" in answer:  # a call's
                answer = answer["value"]
            wire.Decoder(payload, session._decode_special)(answer)
        except RemoteError:
            pass


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Another input: changed as JSON data where it is some, as bytes otherwise or half the time."""
    random = Random(seed)
    header, _, payload = data.partition(SEPARATOR)
    try:
        parsed = json.loads(header)
        if random.randint(0, 1):
            changed = as_text(mutated(parsed, random, (*PLAIN_VALUES, *HOSTILE_DATA)))
            return (changed + SEPARATOR + payload)[:max_size]
    except (ValueError, RecursionError):
        pass
    return bytes(atheris.Mutate(data, max_size))


def write_corpus(folder: Path) -> None:
    """Seeds: the replies of a real conversation, in both shapes."""
    for n, frame in enumerate(recorded()):
        (folder / f"parts-{n}").write_bytes(as_text(frame.header) + SEPARATOR + frame.payload)
        (folder / f"bytes-{n}").write_bytes(bytes(frame))


def write_words(file: Path) -> None:
    """libFuzzer's dictionary: what a mutation of single bytes would hardly ever spell."""
    words = {*wire.TORCH_DTYPES, *wire.NUMPY_DTYPES, *proxy.KINDS, "cpu", "meta", "cuda:0"}
    words |= set("float complex dict tuple set bytes slice tensor array dtype device".split())
    words |= set("parameter object names shape grad spec class kind at id v $ ok nan inf".split())
    lines = [f'"\\"{word}\\""' for word in sorted(words)]
    lines += ['"\\"$\\":"', '"\\"v\\":["', '"[["', '"]]"', '"1e999"', '"NaN"', '"-1"']
    file.write_text("\n".join(lines) + "\n")


def main(arguments: list[str]) -> None:
    corpus, *options = arguments
    words = Path(corpus).with_suffix(".words")
    write_corpus(Path(corpus))
    write_words(words)
    warnings.simplefilter("ignore")  # torch's, on claims of odd devices
    atheris.Setup(
        [sys.argv[0], corpus, f"-dict={words}", *options], decode_one, custom_mutator=mutate
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
