"""A student end that lies at random gets an outcome in bounded time, and never marks."""

import time
from random import Random

import pytest
from budget import examples
from frames import Frame, converse, spoiled
from hypothesis import given
from hypothesis import strategies as st

from nbproctor.config import Limits
from nbproctor.course.records import Verdict
from nbproctor.remote.judge import Outcome
from nbproctor.remote.student import StudentEnd

LIMITS = Limits(
    call_timeout_s=0.2,
    test_timeout_s=1,
    max_reply_header_bytes=1 << 17,
    max_reply_bytes=1 << 20,
)
MARKLESS = (Verdict.FAILED, Verdict.TIMED_OUT, Verdict.KERNEL_DIED, Verdict.OUT_OF_MEMORY)
BUSY_S = 30  # what a busy machine may add to a time limit

# Each compares with a number that the student end never hears of.
TESTS = {
    "a number": "assert double(3) == random.random()",
    "a score": "score = 0\nfor x in range(3):\n    score += double(x) == random.random()\nscore",
    "the last value": "double(3) == random.random()",
    "the value itself": "(double(torch.rand(1)) == torch.rand(1)).all()",
    "a tensor": "assert torch.equal(double(torch.ones(3)), torch.rand(3))",
    "close": "torch.testing.assert_close(echo(torch.ones(3)), torch.rand(3))",
    "an array": "numpy.testing.assert_allclose(array(), numpy.random.rand(2, 3))",
    "structures": "assert many()['a'][0] == order(torch.rand(2))[0].sum() == random.random()",
    "a gradient": """
x = torch.rand(4, 3, requires_grad=True)
block(x).sum().backward()
assert torch.equal(x.grad, torch.rand(4, 3))
""",
    "parameters": """
made = Block(3)
for parameter in made.parameters():
    nn.init.ones_(parameter)
optimizer = torch.optim.SGD(made.parameters(), lr=0.1)
made(torch.rand(4, 3)).sum().backward()
optimizer.step()
assert made.state_dict()["line.bias"].sum() == made.line.weight.sum() == random.random()
""",
    "structure": """
made = Block(3).eval()
found = [name for name, _ in made.named_buffers()] + [len(made), made.training]
assert [found, *made, *made.children()] == [random.random()]
""",
    "the words": "value = double(3)\nassert value == random.random(), value * value",
}


def liar(seed: int, rate: float) -> type[StudentEnd]:
    random = Random(seed)

    class ThisLiar(StudentEnd):
        def run(self) -> None:
            while True:
                try:
                    header, payload = self.channel.receive(time.monotonic() + 20)
                    reply, parts = self._answer(header, payload)
                    frame = Frame(header.get("do", ""), reply, b"".join(parts))
                    lies = random.random() < (rate if frame.asked != "get" else 0.05)
                    self.channel.sock.sendall(spoiled(frame, random) if lies else bytes(frame))
                except Exception:
                    return

    return ThisLiar


@pytest.mark.parametrize("name", TESTS)
def test_no_liar_gets_marks_for_what_it_cannot_know(name: str) -> None:
    @examples(40)
    @given(st.integers(0, 1 << 32), st.sampled_from([0.1, 0.3, 1.0]))
    def check(seed: int, rate: float) -> None:
        began = time.monotonic()
        outcome = converse(liar(seed, rate), TESTS[name], LIMITS)
        assert isinstance(outcome, Outcome)
        assert outcome.verdict in MARKLESS and not outcome.score
        assert time.monotonic() - began < LIMITS.test_timeout_s + BUSY_S

    check()
