"""The parts of a build, each alone: outputs, imports, stubs."""

import base64
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_output

from nbproctor.building.executed import check_outputs, tidy_outputs
from nbproctor.building.stubs import signatures
from nbproctor.course.imports import imported_modules, local_files
from nbproctor.errors import BuildError

VIEW = "application/vnd.jupyter.widget-view+json"


def printed(text: str, name: str = "stdout") -> Any:
    return new_output("stream", name=name, text=text)


def shown(**data: object) -> Any:
    names = {"png": "image/png", "plain": "text/plain", "view": VIEW, "html": "text/html"}
    return new_output("display_data", data={names[kind]: value for kind, value in data.items()})


def chunk(name: bytes, content: bytes = b"") -> bytes:
    check = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)


def png(*extra: bytes) -> str:
    chunks = [chunk(b"IHDR", bytes(13)), *extra, chunk(b"IDAT", b"pixels"), chunk(b"IEND")]
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(chunks)).decode()


def test_prints_in_any_number_of_pieces_become_one_output() -> None:
    (output,) = tidy_outputs([printed("a"), printed("b\n"), printed("c")])
    assert output.text == "ab\nc"


def test_what_a_carriage_return_overwrote_is_gone() -> None:
    (output,) = tidy_outputs([printed("1 of 2\r2 of 2\ndone\r\n")])
    assert output.text == "2 of 2\ndone\n"


def test_memory_addresses_are_left_out() -> None:
    one, two = tidy_outputs([printed("<A at 0x7f00deadbeef>"), shown(plain="<B at 0x7f01>")])
    assert one.text == "<A at 0x…>"
    assert two.data["text/plain"] == "<B at 0x7f01>", "a short number is no address"


@pytest.mark.parametrize(
    "text", ["\r 50%|#####     | 1/2 [00:00<00:00, 3.00it/s]", "5it [00:00, 10.2s/it]\n"]
)
def test_progress_bars_are_left_out(text: str) -> None:
    assert tidy_outputs([printed(text, "stderr")]) == []


def test_a_warning_between_progress_bars_is_not() -> None:
    outputs = tidy_outputs([printed("\r 50%|##  | 1/2\nUserWarning: old\n\r100%|##|", "stderr")])
    assert [o.text for o in outputs] == ["UserWarning: old"]
    with pytest.raises(BuildError, match=r"writes to stderr(.|\n)*UserWarning: old(.|\n)*cell 3"):
        check_outputs(outputs, [], "cell 3")


def test_png_keeps_its_picture_and_loses_dates_and_versions() -> None:
    texts = [chunk(b"tEXt", b"Software\0Matplotlib 9"), chunk(b"tIME", b"1234567")]
    (output,) = tidy_outputs([shown(png=png(*texts))])
    assert output.data["image/png"] == png()


def test_a_widget_with_a_figure_in_the_same_output_leaves_the_figure() -> None:
    (output,) = tidy_outputs([shown(png=png(), plain="a widget", view={"model_id": "1"})])
    assert set(output.data) == {"image/png", "text/plain"}


def test_a_widget_beside_a_figure_is_left_out() -> None:
    widget = shown(plain="interactive(...)", view={"model_id": "1"})
    (output,) = tidy_outputs([widget, shown(png=png())])
    assert set(output.data) == {"image/png"}


def test_a_widget_alone_is_refused() -> None:
    outputs = tidy_outputs([shown(plain="interactive(...)", view={"model_id": "1"})])
    with pytest.raises(BuildError, match="shows nothing where widgets cannot run"):
        check_outputs(outputs, [], "cell 1")


def test_folders_of_this_machine_are_refused_in_any_output() -> None:
    for output in (printed("in /home/me/course/x.py"), shown(html="<a href='/home/me/course'>")):
        with pytest.raises(BuildError, match="names a folder of this machine"):
            check_outputs([output], [Path("/home/me/course")], "cell 1")
    check_outputs([printed("/home/you")], [Path("/"), Path("/home/me")], "cell 1")


FILES = {
    "lib/pack/__init__.py": "from pack.low import low\nfrom .high import high as tall\n",
    "lib/pack/low.py": "import json\nlow = 1\n",
    "lib/pack/high.py": "from pack import low\nfrom . import side\nhigh = 2\n",
    "lib/pack/side.py": "",
    "lib/pack/deep/__init__.py": "",
    "lib/pack/deep/end.py": "from ..low import low\n",
    "other/single.py": "import pack\n",
    "tests/unrelated.py": "",
    ".hidden/json.py": "",
}
P, LOW, HIGH, SIDE = (f"lib/pack/{name}.py" for name in ("__init__", "low", "high", "side"))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import json, torch", []),
        ("from pack import low", [P, LOW]),
        ("from pack import tall", [P, HIGH, LOW, SIDE]),
        ("from pack import side", [P, SIDE]),
        ("from pack.low import low", [P, LOW]),
        ("import pack", [P, HIGH, LOW, SIDE]),
        ("from pack import *", [P, HIGH, LOW, SIDE]),
        ("def f():\n    import pack.low", [P, LOW]),
        ("import pack.deep.end", [P, "lib/pack/deep/__init__.py", "lib/pack/deep/end.py", LOW]),
        ("import single", [P, HIGH, LOW, SIDE, "other/single.py"]),
    ],
)
def test_imports_lead_to_the_files_that_matter(
    tmp_path: Path, code: str, expected: list[str]
) -> None:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = [path.relative_to(tmp_path).as_posix() for path in local_files(code, tmp_path)]
    assert found == sorted(expected)


def test_a_module_that_stands_twice_is_refused(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.py").write_text("")
    with pytest.raises(BuildError, match="same stands twice"):
        local_files("import same", tmp_path)


def test_relative_imports_are_named_in_full() -> None:
    import ast

    tree = ast.parse("from . import a\nfrom .b import c\nfrom ..d import e\nimport f.g")
    found = set(imported_modules(tree, "top.mid"))
    assert found == {("top.mid", "a"), ("top.mid.b", "c"), ("top.d", "e"), ("f.g", "")}


def test_signatures_are_those_of_public_functions_classes_and_their_methods() -> None:
    code = """
class Block(nn.Module, metaclass=Meta):
    def __init__(self, n: int, *, stride: int = 1) -> None: ...
    def _own(self): ...
def f(x, /, y=2, *args, **options): ...
async def g() -> None: ...
def _hidden(): ...
value = 3
"""
    assert signatures(code) == {
        "Block": "class Block(nn.Module, metaclass=Meta)",
        "Block.__init__": "def __init__(self, n: int, *, stride: int=1) -> None",
        "Block._own": "def _own(self)",
        "f": "def f(x, /, y=2, *args, **options)",
        "g": "def g() -> None",
    }
