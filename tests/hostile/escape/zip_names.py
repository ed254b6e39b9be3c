# attack: Names in a student's zip file lead out of its folder, and stop nbgrader's collecting.
# expect: double passed, half passed
# never: file, neighbour

# %% archive
import io, json, zipfile
def archive(notebook, folder):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as packed:
        for name in (
            "../../../../submitted/zoe/tiny/tiny.ipynb",
            "../../../../@MARK@",
            known["NEIGHBOUR"],
            known["HOME"] + "/" + known["MARK"],
            "..\\..\\" + known["MARK"],
            "../" * 12 + known["HOME"].lstrip("/") + "/" + known["MARK"],
        ):
            packed.writestr(name, "x")
    with zipfile.ZipFile(folder / "class.zip", "w") as packed:
        packed.writestr("mallory_more.zip", inner.getvalue())
        packed.writestr("mallory_20261120T100000_tiny.ipynb", json.dumps(notebook))
        packed.writestr("broken.zip", b"PK not really")
