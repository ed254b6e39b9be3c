# attack: Files are changed through symbolic and hard links in the working folder.
# expect: half passed
# never: file, neighbour

# %% half
import os
def half(x):
    return x / 2
for n, (link, target) in enumerate(
    [(link, target) for link in (os.symlink, os.link) for target in ("@NEIGHBOUR@", "@HOME@/notes.txt")]
):
    try:
        link(target, f"link{n}")
        with open(f"link{n}", "a") as file:
            file.write("x")
    except OSError:
        pass
