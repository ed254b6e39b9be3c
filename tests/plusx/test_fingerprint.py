"""A fingerprint changes with the code, and with what the code uses."""

import subprocess
import sys
from copy import deepcopy

import pytest
import torch

from plusx import Mlp
from plusx.fingerprint import fingerprint


def of_notebook(code, *names):
    """The fingerprint of something that is defined as in a notebook: no file, source kept."""
    import linecache

    namespace = {"__name__": "__main__"}
    file = f"<cell {hash(code)}>"
    linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
    exec(compile(code, file, "exec"), namespace)
    return fingerprint(*(namespace[name] for name in names or ("f",)))


BASE = """
import torch
width = 3
def helper(x):
    return x + width
class Net(torch.nn.Module):
    def forward(self, x):
        return helper(x)
def f(depth=2):
    return [Net() for _ in range(depth)]
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("width = 3", "width = 4"),
        ("x + width", "x - width"),
        ("return helper(x)", "return helper(helper(x))"),
        ("depth=2", "depth=3"),
        ("[Net() for", "[Net() for _ in () for"),
        ("(torch.nn.Module)", "(torch.nn.ReLU)"),
    ],
)
def test_a_change_anywhere_below_is_seen(old, new):
    assert BASE.count(old) == 1
    assert of_notebook(BASE) == of_notebook(BASE)
    assert of_notebook(BASE) != of_notebook(BASE.replace(old, new))


def test_what_is_not_used_does_not_matter():
    assert of_notebook(BASE) == of_notebook(BASE + "\nunused = 5\ndef g(): return 1\n")


def test_closures_count_by_their_values():
    def make(n):
        return lambda x: x + n

    assert fingerprint(make(1)) == fingerprint(make(1)) != fingerprint(make(2))


def test_values_are_told_apart():
    values = [1, 1.0, "1", True, None, [1], (1,), {"a": 1}, {"a": 2}, torch.ones(1), torch.ones(2)]
    assert len({fingerprint(value) for value in values}) == len(values)
    assert fingerprint({3, 1, 2}) == fingerprint({2, 3, 1})
    assert fingerprint(torch.arange(4)) == fingerprint(torch.arange(4))


def test_networks_count_by_weights_parts_and_attributes():
    torch.manual_seed(0)
    net, other = Mlp(4), Mlp(4)
    assert fingerprint(net) == fingerprint(deepcopy(net)) != fingerprint(other)
    skipping = deepcopy(net)
    skipping.blocks[0].skip = True
    tanh = deepcopy(net)
    tanh.stem[2] = torch.nn.Tanh()
    assert len({fingerprint(n) for n in (net, skipping, tanh)}) == 3


def test_functions_that_call_themselves_come_to_an_end():
    code = "def f(n):\n    return g(n)\ndef g(n):\n    return f(n - 1) if n else 0\n"
    assert of_notebook(code) != of_notebook(code.replace("n - 1", "n - 2"))


def test_the_courses_own_code_counts():
    """plusx is followed to its source, torch only by its version."""
    from plusx import Mlp, models

    before = fingerprint(Mlp)
    kept = models.DenseBlock
    try:
        models.DenseBlock = models.BasicBlock
        assert fingerprint(Mlp) != before
    finally:
        models.DenseBlock = kept
    assert fingerprint(Mlp) == before


@pytest.mark.parametrize(
    "what", ["Mlp, {'b', 'a'}", "Training", "torch.inference_mode()(lambda x: x)"]
)
def test_another_process_finds_the_same(what):
    """Methods of Training are decorated by torch.no_grad(), whose repr is an address."""
    names = "import torch; from plusx import Mlp, Training, fingerprint as f"
    code = f"{names}; print(f.fingerprint({what}))"
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert runs[0].stdout == runs[1].stdout != ""
