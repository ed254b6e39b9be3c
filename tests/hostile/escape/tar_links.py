# attack: A student's tar file holds links and pipes, and names that lead out of its folder.
# expect: none
# never: secret, marks, file, hang, neighbour

# %% archive
import io, tarfile
def archive(notebook, folder):
    with tarfile.open(folder / "mallory.tar.gz", "w:gz") as packed:
        for kind, name, target in (
            (tarfile.SYMTYPE, "mallory_20261120T100000_tiny.ipynb", known["NEIGHBOUR"]),
            (tarfile.SYMTYPE, "out", known["HOME"]),
            (tarfile.LNKTYPE, "hard", known["NEIGHBOUR"]),
            (tarfile.FIFOTYPE, "mallory_20261120T100001_tiny.ipynb", ""),
            (tarfile.REGTYPE, "out/" + known["MARK"], ""),
            (tarfile.REGTYPE, "../../../" + known["MARK"], ""),
            (tarfile.REGTYPE, known["HOME"] + "/" + known["MARK"], ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            packed.addfile(info, io.BytesIO())
