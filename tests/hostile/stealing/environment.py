# attack: The answer prints its environment, and that of every process it can see.
# expect: half passed
# never: secret

# %% half
import glob, os
def half(x):
    return x / 2
print(dict(os.environ))
for path in glob.glob("/proc/[0-9]*/environ"):
    try:
        print(open(path, errors="replace").read())
    except OSError:
        pass
