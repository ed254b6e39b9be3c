# attack: A student's name that looks like another's: other letters, other direction, other case.
# expect: none
# never: marks, neighbour

# %% archive
import json, zipfile
def archive(notebook, folder):
    notebook["cells"] = []
    with zipfile.ZipFile(folder / "class.zip", "w") as packed:
        for name in ("zo\u0435", "ZOE", "zoe\u200b", "\u202eeoz", "zoe\n", "zoe "):
            packed.writestr(f"{name}_20261120T120000_tiny.ipynb", json.dumps(notebook))
