"""Mistakes that learners make, met by the checks that they see: the message names what to look at.

Each is put into an exercise, and the visible part of its test cell is run as in a notebook.
"""

import linecache
import traceback
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cases import Mutant

from nbproctor.building.source import Source, SourceCell, read_source
from plusx.shown_errors import is_of_a_check, prepare

ROOT = Path(__file__).parents[2]
SUPER = ("        super().__init__()\n", "")
SUPER_SAYS = "make super().__init__() the first line"

MISTAKES = {
    "00_start": [
        Mutant("add_skip", "not answered", (("return f(x) + x", "raise NotImplementedError()"),),
               "replace the line"),
        Mutant("add_skip", "nothing", (("return f(x) + x", "f(x) + x"),), "`return`"),
        Mutant("add_skip", "a tuple",
               (("return f(x) + x", "return f(x), x"),), "return that value alone"),
        Mutant("add_skip", "numpy",
               (("return f(x) + x", "return (f(x) + x).numpy()"),), "stay with it"),
        Mutant("add_skip", "in place", (("return f(x) + x", "x += f(x); return x"),), "in place"),
        Mutant("add_skip", "another device",
               (("return f(x) + x", "return f(x) + x.to('meta')"),), "device="),
        Mutant("add_skip", "uncalled", (("return f(x) + x", "return f + x"),), "call it"),
        Mutant("add_skip", "shape",
               (("return f(x) + x", "return (f(x) + x).T"),), "got: shape (2, 1)"),
    ],
    "01_degradation": [
        Mutant("plain_net", "no super", (SUPER,), SUPER_SAYS),
        Mutant("plain_net", "nothing", (("return self.head(x)", "self.head(x)"),), "`return`"),
        Mutant("plain_net", "a tuple", (("return self.head(x)", "return self.head(x), x"),),
               "return that value alone"),
        Mutant("plain_net", "unflattened", (("x.flatten(1)", "x"),), "flatten each example"),
        Mutant("plain_net", "sizes", (("before = width", "before = inputs"),),
               "number of parameters"),
        Mutant("plain_net", "numpy", (("self.hidden(x.flatten(1))", "x.flatten(1).numpy()"),),
               "stay with it"),
        Mutant("plain_net", "uncalled", (("return self.head(x)", "return self.head"),), "call it"),
        Mutant("verdict", "nothing", (("return ((errors", "a = ((errors"),), "`return`"),
        Mutant("weight_gradients", "detached", (("net(images)", "net(images).detach()"),),
               ".detach()"),
    ],
    "02_residual_block": [
        Mutant("pad_shortcut", "nothing", (("return F.pad", "F.pad"),), "`return`"),
        Mutant("pad_shortcut", "numpy", (("return F.pad(kept", "return F.pad(kept.numpy()"),),
               "stay with it"),
        Mutant("pad_shortcut", "another device",
               (("return F.pad(kept", "return F.pad(kept.to('meta')"),), "device"),
        Mutant("basic_block", "no super", (SUPER,), SUPER_SAYS),
        Mutant("basic_block", "nothing", (("return F.relu(y + ", "F.relu(y + "),), "`return`"),
        Mutant("basic_block", "a tuple", (("return F.relu(y + self.shortcut(x))",
               "return y, self.shortcut(x)"),), "return that value alone"),
        Mutant("basic_block", "uncalled",
               (("self.norm2(self.conv2(y))", "self.norm2(self.conv2)"),),
               "call it"),
        Mutant("basic_block", "no stride", (("3, stride=stride, padding=1", "3, padding=1"),),
               "a stride forgotten"),
        Mutant("basic_block", "sizes", (("nn.BatchNorm2d(out_channels)\n        self.conv2",
               "nn.BatchNorm2d(7)\n        self.conv2"),), "number of parameters"),
        Mutant("block_jacobian", "nothing", (("return torch", "torch"),), "`return`"),
    ],
    "03_bottlenecks": [
        Mutant("conv_cost", "nothing", (("return weights, weights", "weights, weights"),),
               "`return`"),
        Mutant("conv_cost", "one of two", (("return weights, weights", "return weights"),),
               "return"),
        Mutant("bottleneck", "no super", (SUPER,), SUPER_SAYS),
        Mutant("bottleneck", "nothing", (("return F.relu(y", "F.relu(y"),), "`return`"),
        Mutant("bottleneck", "a tuple", (("return F.relu(y + self.projection(x))",
               "return y, x"),), "return that value alone"),
        Mutant("bottleneck", "uncalled", (("self.norm3(self.conv3(y))", "self.norm3(self.conv3)"),),
               "call it"),
        Mutant("bottleneck", "another device", (("self.conv1(x)", "self.conv1(x.to('meta'))"),),
               "device"),
        Mutant("multiply_adds", "nothing", (("return sum(counts)", "sum(counts)"),), "`return`"),
    ],
    "04_identity_mappings": [
        Mutant("preact_block", "no super", (SUPER,), SUPER_SAYS),
        Mutant("preact_block", "nothing", (("return self.projection(", "self.projection("),),
               "`return`"),
        Mutant("preact_block", "uncalled", (("self.projection(a if self.shared else x)",
               "self.projection"),), "call it"),
        Mutant("preact_block", "a tuple", ((" else x) + y", " else x), y"),),
               "return that value alone"),
        Mutant("preact_block", "no stride", (("3, stride, padding=1", "3, padding=1"),),
               "a stride forgotten"),
        Mutant("preact_net", "sizes", (("nn.Linear(64, classes)", "nn.Linear(16, classes)"),),
               "number of parameters"),
        Mutant("preact_net", "unpooled", ((".mean(dim=(2, 3))", ""),), "print the shape"),
        Mutant("signal_by_depth", "nothing", (("    return squares\n", "\n"),), "`return`"),
    ],
    "05_unraveled": [
        Mutant("path_outputs", "nothing", (("return found", "found"),), "`return`"),
        Mutant("path_outputs", "a list", (("return found", "return list(found)"),), "a list of"),
        Mutant("path_outputs", "axis", (("found @ weight]", "found @ weight.T[None, None]]"),),
               "print the shape"),
        Mutant("path_outputs", "numpy",
               (("return found", "return found.numpy()"),), "stay with it"),
        Mutant("share_of_paths", "nothing", (("return sum", "sum"),), "`return`"),
        Mutant("run_in_order", "nothing", (("return x", "x"),), "`return`"),
        Mutant("run_in_order", "uncalled", (("branches[place](x)", "branches[place]"),), "call it"),
        Mutant("run_in_order", "in place", (("x = x + y if skip else y", "x += y * skip"),),
               "in place"),
    ],
    "06_transformer_residuals": [
        Mutant("post_block", "no super", (SUPER,), SUPER_SAYS),
        Mutant("post_block", "nothing", (("return self.norm2(", "self.norm2("),), "`return`"),
        Mutant("post_block", "a tuple", (("return self.norm2(h + ", "return h, self.norm2(h + "),),
               "return that value alone"),
        Mutant("post_block", "uncalled", (("x + self.attention(x)", "x + self.attention"),),
               "call it"),
        Mutant("post_block", "sizes", (("self.norm2 = nn.LayerNorm(width)",
               "self.norm2 = nn.LayerNorm(width + 1)"),), "number of parameters"),
        Mutant("pre_block", "in place", (("h = x + self.attention(self.norm1(x))",
               "x += self.attention(self.norm1(x)); h = x"),), "in place"),
        Mutant("contributions", "a list", (("return torch.stack(parts)", "return parts"),),
               "a list of 4"),
        Mutant("contributions", "nothing", (("return torch.stack", "torch.stack"),), "`return`"),
    ],
    "07_dense_and_unet": [
        Mutant("dense_channels", "nothing", (("    return widths", "\n"),), "`return`"),
        Mutant("dense_block", "no super",
               ((f"in_channels, growth):\n{SUPER[0]}        ### BEGIN SOLUTION\n        self.norm1",
                 "in_channels, growth):\n        self.norm1"),), SUPER_SAYS),
        Mutant("dense_block", "nothing", (("return self.conv2(", "self.conv2("),), "`return`"),
        Mutant("dense_block", "uncalled", (("self.conv1(F.relu(self.norm1(x)))",
               "self.conv1(self.norm1)"),), "call it"),
        Mutant("dense_block", "a tuple", (("dim=1)  # (B, C + growth, H, W)\n        return x",
               "dim=1)\n        return x, x"),), "return that value alone"),
        Mutant("dense_block", "sizes", (("nn.Conv2d(4 * growth, growth, 3", "nn.Conv2d(growth, "
               "growth, 3"),), "number of parameters"),
        Mutant("densenet", "nothing", (("return self.head(", "self.head("),), "`return`"),
    ],
    "08_continuous_depth": [
        Mutant("euler_net", "nothing", (("return x", "x"),), "`return`"),
        Mutant("euler_net", "uncalled", (("h * branch(x)", "h * branch"),), "call it"),
        Mutant("euler_net", "in place", (("x = x + h", "x += h"),), "in place"),
        Mutant("euler_net", "another device", (("h * branch(x)", "h * branch(x).to('meta')"),),
               "device="),
        Mutant("observed_order", "numpy", (("torch.tensor(sizes, dtype=torch.float64).log()",
               "__import__('numpy').log(sizes)"),), "stay with it"),
        Mutant("observed_order", "nothing", (("return ((u", "a = ((u"),), "`return`"),
        Mutant("runge_kutta_step", "nothing", (("return x", "x"),), "`return`"),
        Mutant("runge_kutta_step", "a tuple", (("return x", "return x, slopes"),),
               "return that value alone"),
    ],
}  # fmt: skip
CASES = [
    pytest.param(name, mistake, id=f"{name[:2]}-{mistake.exercise}-{mistake.name}")
    for name, mistakes in MISTAKES.items()
    for mistake in mistakes
]


@cache
def source(name: str) -> Source:
    return read_source(ROOT / "solutions" / name / f"{name}.py")


def run(text: str, where: str, names: dict[str, Any]) -> None:
    """Run a cell as IPython does: its lines can be shown later."""
    linecache.cache[where] = (len(text), None, text.splitlines(keepends=True), where)
    exec(compile(text, where, "exec"), names)


def given(cell: SourceCell) -> bool:
    return cell.cell_type == "code" and not cell.is_test and "demo" not in cell.tags


def visible(cell: SourceCell) -> str:
    return cell.text.partition("### BEGIN HIDDEN TESTS")[0]


def shown(name: str, mistake: Mutant) -> str:
    """What the learner reads when the visible checks meet a mistake; "" where they pass."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in source(name).cells:
        if given(cell):
            own = cell.grade_id == mistake.exercise
            run(mistake.text(cell.text) if own else cell.text, f"<{name} {cell.number}>", names)
        elif cell.is_test and mistake.exercise in (cell.grade_id[5:], cell.grade_id[5:-2]):
            try:
                run(visible(cell), f"<{name} {cell.number}>", names)
            except Exception as error:
                return displayed(error)
    return ""


def displayed(error: Exception) -> str:
    assert is_of_a_check(error.__traceback__)
    prepare(error)
    return "".join(traceback.format_exception(error))


@pytest.mark.parametrize(("name", "mistake"), CASES)
def test_a_mistake_is_met_with_what_to_look_at_again(
    name: str, mistake: Mutant, capsys: pytest.CaptureFixture[str]
) -> None:
    said = shown(name, mistake)
    assert mistake.says in said
    for insides in ("site-packages", "/plusx/"):
        assert insides not in said


def test_every_lesson_is_tried() -> None:
    lessons = {path.name for path in (ROOT / "solutions").iterdir() if path.is_dir()}
    assert MISTAKES.keys() <= lessons and len(MISTAKES) == 9
    assert all(len(mistakes) >= 7 for mistakes in MISTAKES.values())
