# attack: Names in a zip file lead out of its folder.
# expect: double passed, half passed
# open: nothing gets out, but nbgrader zip_collect stops at the archive: nobody is collected
# never: file, neighbour

# %% archive
import json, zipfile
def archive(notebook, folder):
    good = json.dumps(notebook)
    with zipfile.ZipFile(folder / "class.zip", "w") as packed:
        packed.writestr("mallory_20261120T100000_tiny.ipynb", good)
        for name in (
            "../../../../submitted/zoe/tiny/tiny.ipynb",
            "../../../../@MARK@",
            known["NEIGHBOUR"],
            known["HOME"] + "/" + known["MARK"],
            "..\\..\\" + known["MARK"],
            "../" * 12 + known["HOME"].lstrip("/") + "/" + known["MARK"],
        ):
            packed.writestr(name, "x")
