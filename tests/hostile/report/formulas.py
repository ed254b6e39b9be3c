# attack: Names of students and of files are formulas of a spreadsheet.
# expect: none
# never: page

# %% archive
import json, zipfile
def archive(notebook, folder):
    with zipfile.ZipFile(folder / "class.zip", "w") as packed:
        for name in ('=HYPERLINK("@MARK@")', "@SUM(1)@MARK@", "+1", "-1"):
            packed.writestr(f"{name}_20261120T100000_tiny.ipynb", json.dumps(notebook))
