# attack: Named pipes stand where the grader would read or write files.
# expect: half passed
# never: hang, file

# %% half
import os
def half(x):
    return x / 2
for place in (os.path.expanduser("~"), ".", "..", "@HOME@", "@COURSE@/submitted/zoe/tiny"):
    for name in ("kernel.json", "@MARK@", "helper.py"):
        try:
            os.unlink(f"{place}/{name}")
        except OSError:
            pass
        try:
            os.mkfifo(f"{place}/{name}")
        except OSError:
            pass
