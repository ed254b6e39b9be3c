# attack: Modes, owners, times, attributes and sizes of the grader's files are changed by their names.
# expect: half passed
# never: file

# %% half
import os
def half(x):
    return x / 2
changes = (
    lambda path: os.utime(path, (0, 0)),
    lambda path: os.setxattr(path, "user.mine", b"x"),
    lambda path: os.chown(path, -1, 1),
    lambda path: os.truncate(path, 0),
    lambda path: os.open(path, os.O_RDONLY | os.O_TRUNC),
    lambda path: os.open(path, 3 | os.O_TRUNC),
    lambda path: os.chmod(path, 0),
)
for path in ("@NEIGHBOUR@", "@HOME@/notes.txt"):
    for change in changes:
        try:
            change(path)
        except OSError:
            pass
