# attack: A student's zip file holds links to another's work and to a folder outside.
# expect: none
# never: secret, marks, file, neighbour

# %% archive
import io, zipfile
def archive(notebook, folder):
    def link(name, target):
        info = zipfile.ZipInfo(name)
        info.create_system, info.external_attr = 3, 0o120777 << 16
        packed.writestr(info, target)
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as packed:
        link("mallory_20261120T100000_tiny.ipynb", known["NEIGHBOUR"])
        link("out", known["HOME"])
        packed.writestr("out/" + known["MARK"], "x")
    with zipfile.ZipFile(folder / "class.zip", "w") as packed:
        packed.writestr("mallory.zip", inner.getvalue())
