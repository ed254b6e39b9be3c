"""A test reads the same in one process and across the boundary: each snippet runs both ways."""

import pytest
from harness import judge_sources

from nbproctor.course.records import Verdict
from nbproctor.remote.judge import Outcome

SETUP = "import torch\nfrom torch import nn\nimport torch.nn.functional as F"
STUDENT = f"""
{SETUP}

class Block(nn.Module):
    def __init__(self, channels, bias=False):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=bias)
        self.norm = nn.BatchNorm2d(channels)
    def forward(self, x):
        return F.relu(x + self.norm(self.conv(x)))

class Residual(nn.Module):
    def __init__(self, branch):
        super().__init__()
        self.branch = branch
    def forward(self, x):
        return x + self.branch(x)

class Weird: pass
weird = Weird()
constant = 0.125
def in_place(x): return x.relu_()
def refuses(x): raise ValueError("no good")
def apply(f, x): return f(x)
def stack(cls, n): return nn.Sequential(*[cls(n) for _ in range(2)])
def pair(x): return {{"a": (x * 2, [x + 1, 3]), "b": None}}
def leaves(): import sys; sys.exit(3)
def inner(x): return x + 1
def outer(x): return inner(x)
def zero_branch(block):
    with torch.no_grad():
        block.conv.weight.zero_()
    return block
"""
NAMES = (
    "Block Residual weird constant in_place refuses apply stack pair leaves inner outer zero_branch"
).split()

SNIPPETS = {
    "forward and gradients": """
        block, x = Block(4), torch.randn(2, 4, 5, 5, requires_grad=True)
        y = block(x)
        g = torch.randn_like(y)
        (by_grad,) = torch.autograd.grad(y, x, g, retain_graph=True)
        y.backward(g)
        conv, norm = nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        parameters = dict(block.named_parameters())
        conv.load_state_dict({"weight": block.state_dict()["conv.weight"]})
        again = x.detach().clone().requires_grad_()
        F.relu(again + norm(conv(again))).backward(g)
        assert torch.equal(by_grad, x.grad)
        assert torch.allclose(x.grad, again.grad, atol=1e-6)
        assert torch.allclose(parameters["conv.weight"].grad, conv.weight.grad, atol=1e-5)
        assert parameters["norm.bias"].grad.shape == (4,)
    """,
    "an optimizer of the test's": """
        block, x = Block(3), torch.randn(2, 3, 4, 4)
        optimizer = torch.optim.SGD(block.parameters(), lr=0.1)
        losses = []
        for _ in range(3):
            optimizer.zero_grad()
            loss = block(x).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[2] < losses[1] < losses[0]
    """,
    "parameters stay in step": """
        block = Block(3)
        weight = dict(block.named_parameters())["conv.weight"]
        nn.init.ones_(weight)
        assert block.state_dict()["conv.weight"].sum() == 81
        assert zero_branch(block) is block
        assert weight.abs().sum() == 0
        block.load_state_dict({**block.state_dict(), "conv.weight": torch.full_like(weight, 2)})
        assert weight.sum() == 162
        weight.data.fill_(3)
        assert block.conv.weight.sum() == 243 and block.conv.weight is weight
        block.conv.weight.sum().backward()
        assert weight.grad.sum() == 81
        block.zero_grad()
        assert weight.grad is None
    """,
    "train, eval, dtype, device": """
        block = Block(3)
        assert block.training and not block.eval().training
        before = block.state_dict()["norm.running_mean"].clone()
        block.train()(torch.randn(8, 3, 4, 4) + 5)
        assert not torch.equal(before, block.state_dict()["norm.running_mean"])
        assert block.double() is block
        assert block(torch.randn(1, 3, 4, 4, dtype=torch.float64)).dtype == torch.float64
        assert all(p.dtype == torch.float64 for p in block.parameters())
        ghost = Block(3).to("meta")(torch.empty(1, 3, 7, 5, device="meta"))
        assert ghost.device.type == "meta" and ghost.shape == (1, 3, 7, 5)
    """,
    "no gradients where they are off": """
        block, x = Block(3), torch.randn(2, 3, 4, 4, requires_grad=True)
        with torch.no_grad():
            assert not block(x).requires_grad
        assert block(x).requires_grad
        for parameter in block.parameters():
            parameter.requires_grad_(False)
        block.requires_grad_(False)
        assert not block(x.detach()).requires_grad
    """,
    "the test's own modules travel": """
        line = nn.Linear(3, 3)
        x = torch.randn(2, 3, requires_grad=True)
        y = Residual(line)(x)
        assert torch.allclose(y, x + line(x))
        y.sum().backward()
        assert torch.allclose(x.grad, 1 + line.weight.sum(0).expand(2, 3), atol=1e-6)
        branch = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU()).eval()
        image = torch.randn(1, 2, 5, 5)
        assert torch.allclose(Residual(branch)(image), image + branch(image), atol=1e-6)
    """,
    "functions by name": """
        x = torch.randn(5)
        for relu in (torch.relu, F.relu, nn.ReLU()):
            assert torch.equal(apply(relu, x), x.clamp(min=0))
        assert apply(len, [1, 2]) == 2
    """,
    "exceptions keep their class": """
        try:
            refuses(1)
        except ValueError as error:
            assert "no good" in str(error)
        else:
            raise AssertionError("it did not refuse")
        assert not hasattr(Block(2), "nothing") and hasattr(Block(2), "conv")
    """,
    "modules in modules": """
        net = stack(Block, 3)
        assert isinstance(net, nn.Module) and len(net) == 2
        assert [type(child).__name__ for child in net] == ["Block", "Block"]
        assert [name for name, _ in net.named_children()] == ["0", "1"]
        assert len(list(net.modules())) == 7
        assert torch.equal(net[0](torch.zeros(1, 3, 2, 2)), torch.zeros(1, 3, 2, 2))
        assert {name for name, _ in net[1].named_buffers()} >= {"norm.running_mean"}
    """,
    "one answer makes use of another": """
        kept = inner
        del inner
        try:
            outer(1)
        except NameError:
            pass
        else:
            raise AssertionError("outer does not call inner")
        finally:
            inner = kept
        assert inner(1) == outer(1) == 2
        inner = kept
        assert "inner" in locals() and "nothing" not in locals()
    """,
    "values in structures": """
        x = torch.randn(3, requires_grad=True)
        made = pair(x)
        assert made["b"] is None and made["a"][1][1] == 3 and constant == 0.125
        (made["a"][0] * 3).sum().backward()
        assert x.grad.tolist() == [6, 6, 6]
    """,
}


def judged(snippet: str, hidden: range = range(0)) -> Outcome:
    import textwrap

    test = {"names": NAMES, "hidden": hidden, "points": 1.0, "grade_id": "t"}
    [outcome] = judge_sources([STUDENT], [SETUP], [{**test, "source": textwrap.dedent(snippet)}])
    return outcome


@pytest.mark.parametrize("name", SNIPPETS)
def test_a_snippet_runs_in_one_process_and_across(name: str) -> None:
    import textwrap

    namespace: dict[str, object] = {}
    exec(STUDENT, namespace)
    exec(textwrap.dedent(SNIPPETS[name]), namespace)
    assert judged(SNIPPETS[name]) == Outcome(Verdict.PASSED)


@pytest.mark.parametrize(
    ("snippet", "verdict", "message"),
    [
        ("weird + 1", Verdict.FAILED, "an object of class Weird"),
        ("assert weird == weird", Verdict.FAILED, "needs a value"),
        ("apply(lambda x: x, 3)", Verdict.GRADER_ERROR, "cannot cross"),
        ("class M(nn.Module): pass\nResidual(M())", Verdict.GRADER_ERROR, "class of its own"),
        ("weird.colour = 3", Verdict.FAILED, "sets the attribute 'colour'"),
        ("import copy; copy.deepcopy(weird)", Verdict.FAILED, "copies an object"),
        ("import pickle; pickle.dumps(weird)", Verdict.FAILED, "copies or pickles"),
        ("in_place(torch.ones(3) - 2)", Verdict.FAILED, "in place"),
        ("weird", Verdict.FAILED, "which is no score"),
        ("inner = lambda x: x", Verdict.GRADER_ERROR, "a function of its own in the place of"),
        ("del inner\nouter(1)", Verdict.FAILED, "name 'inner' is not defined"),
        ("leaves()", Verdict.FAILED, "SystemExit"),
        ("Block()", Verdict.FAILED, "missing 1 required positional argument"),
        ("Block(2)(3)", Verdict.FAILED, "raised"),
        ("1 / 0", Verdict.FAILED, "ZeroDivisionError"),
        ("0.5", Verdict.PARTIAL, ""),
        ("1.0", Verdict.PASSED, ""),
        ("2.0", Verdict.GRADER_ERROR, "not between 0 and 1"),
        ("float('nan')", Verdict.GRADER_ERROR, "not between"),
        ("nothing_of_the_kind", Verdict.FAILED, "'nothing_of_the_kind' is not defined"),
    ],
)
def test_what_a_proxy_refuses(snippet: str, verdict: Verdict, message: str) -> None:
    outcome = judged(snippet)
    assert outcome.verdict is verdict
    assert message in outcome.message


def test_hidden_values_stay_hidden() -> None:
    hidden = range(1, 9)
    library = judged("torch.testing.assert_close(constant, 0.4375)", hidden)
    assert library.verdict is Verdict.FAILED
    assert "0.4375" not in library.message
    own = judged("assert constant == 0.4375, 'look at the factor again'", hidden)
    assert own.message == "look at the factor again"
    bare = judged("assert constant == 0.4375", hidden)
    assert "0.4375" not in bare.message


def test_second_derivatives_say_that_they_cannot() -> None:
    outcome = judged("""
        x = torch.randn(3, requires_grad=True)
        y = pair(x)["a"][0]
        (g,) = torch.autograd.grad((y ** 2).sum(), x, create_graph=True)
        g.sum().backward()
    """)
    assert outcome.verdict is Verdict.FAILED
    assert "once_differentiable" in outcome.message


LAZY_STUDENT = f"""
{SETUP}
asked = []
class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.weight.register_hook(lambda g: asked.append("weight"))
        self.bias = nn.Parameter(torch.zeros(3), requires_grad=False)
    def forward(self, x):
        return x * self.weight + self.bias
def count(): return len(asked)
"""


def test_only_gradients_that_are_asked_for_are_computed() -> None:
    test = """
line, x = Line(), torch.randn(2, 3, requires_grad=True)
y = line(x)
(of_x,) = torch.autograd.grad(y, x, torch.ones(2, 3), retain_graph=True)
assert torch.equal(of_x, torch.ones(2, 3)) and count() == 0
z = line(2 * x)
(of_x,) = torch.autograd.grad(z.sum(), x)
assert torch.equal(of_x, torch.full((2, 3), 2.0)) and count() == 0
weight = dict(line.named_parameters())["weight"]
(of_weight,) = torch.autograd.grad(line(x).sum(), weight)
assert torch.allclose(of_weight, x.detach().sum(0)) and count() == 1
y.sum().backward(inputs=[x])
assert x.grad is not None and weight.grad is None and count() == 1
line(x).sum().backward()
assert torch.allclose(weight.grad, x.detach().sum(0)) and count() == 2
"""
    told = {
        "source": test,
        "grade_id": "t",
        "names": ["Line", "count"],
        "hidden": range(0),
        "points": 1.0,
    }
    [outcome] = judge_sources([LAZY_STUDENT], [SETUP], [told])
    assert outcome.verdict is Verdict.PASSED, outcome.message


CHANGING_STUDENT = f"""
{SETUP}
from nbproctor.remote.student import StudentEnd
sent, inner = [], StudentEnd._news_of
def news_of(self, *args):
    value = inner(self, *args)
    # What is too wide to be compared always travels.
    sent.append(value is not None and value.dtype is not torch.complex128)
    return value
StudentEnd._news_of = news_of
class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[0.0, 1.0, 2.0, 3.0]] * 2)[:, ::2].T)
        self.small = nn.Parameter(torch.ones(2, dtype=torch.float16))
        self.wide = nn.Parameter(torch.ones(2, dtype=torch.complex128))
def taken():
    count = sum(sent)
    sent.clear()
    return count
def nothing(line): pass
def behind(line): line.weight.data[0, 0] = -0.0
def spoilt(line): line.small.data[0] = float("nan")
def replaced(line): line.wide = nn.Parameter(torch.zeros(2, dtype=torch.complex128))
def widened(line): line.double()
"""


def test_only_parameters_that_changed_travel_again() -> None:
    """Also what changed unseen by torch, or from one zero to the other."""
    test = """
line = Line()
named = dict(line.named_parameters())
weight, small = named["weight"], named["small"]
assert taken() == 2 and weight.tolist() == [[0.0, 0.0], [2.0, 2.0]]
nothing(line)
assert taken() == 0
behind(line)
assert taken() == 1 and weight[0, 0].item().hex() == "-0x0.0p+0"
with torch.no_grad():
    weight.fill_(7.0)
nothing(line)
assert taken() == 1 and dict(line.named_parameters())["weight"].tolist() == [[7.0, 7.0]] * 2
replaced(line)
assert dict(line.named_parameters())["wide"].abs().sum() == 0 and taken() == 0
spoilt(line)
assert taken() == 1 and bool(small[0].isnan())
widened(line)
assert taken() >= 2 and dict(line.named_parameters())["small"].dtype is torch.float64
"""
    names = "Line taken nothing behind spoilt replaced widened".split()
    told = {"source": test, "grade_id": "t", "names": names, "hidden": range(0), "points": 1.0}
    [outcome] = judge_sources([CHANGING_STUDENT], [SETUP], [told])
    assert outcome.verdict is Verdict.PASSED, outcome.message
