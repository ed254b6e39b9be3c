# attack: A program that changes its user, and a file that would lend its owner's rights.
# expect: half passed
# never: reach, file

# %% half
import os, shutil
def half(x):
    return x / 2
for place in (".", "@HOME@", "/tmp"):
    try:
        shutil.copy("/bin/true", f"{place}/@MARK@")
        os.chmod(f"{place}/@MARK@", 0o6755)
    except OSError:
        pass
try:
    print(@BOAST@, "reads the shadow file", len(open("/etc/shadow").read()))
except OSError:
    pass
