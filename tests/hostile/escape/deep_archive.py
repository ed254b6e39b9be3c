# attack: Archives of folders so deep that Python cannot walk through them, and of archives within.
# expect: none
# never: hang, neighbour

# %% archive
import io, zipfile
def zipped(entries):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        for name, data in entries.items():
            packed.writestr(name, data)
    return made.getvalue()
def archive(notebook, folder):
    deep = zipped({"a/" * n + "x.txt": b"" for n in range(0, 1300, 30)})
    (folder / "mallory.zip").write_bytes(deep)
    nested = zipped({"x.txt": b""})
    for _ in range(1100):
        nested = zipped({"a.zip": nested})
    (folder / "mallory2.zip").write_bytes(nested)
