# attack: A zip file holds links to another student's work and to a folder outside.
# expect: double not answered, half not answered
# open: nothing gets out, but nbgrader zip_collect stops at the archive: nobody is collected
# never: secret, marks, file

# %% archive
import json, zipfile
def archive(notebook, folder):
    def link(name, target):
        info = zipfile.ZipInfo(name)
        info.create_system, info.external_attr = 3, 0o120777 << 16
        packed.writestr(info, target)
    with zipfile.ZipFile(folder / "class.zip", "w") as packed:
        link("mallory_20261120T100000_tiny.ipynb", known["NEIGHBOUR"])
        link("out", known["HOME"])
        packed.writestr("out/" + known["MARK"], "x")
