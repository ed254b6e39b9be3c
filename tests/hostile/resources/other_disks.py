# attack: Big files in /tmp, /var/tmp, /dev/shm and the home folder.
# expect: half passed
# never: neighbour, hang, file

# %% half
import os
def half(x):
    return x / 2
for folder in ("/tmp", "/var/tmp", "/dev/shm", "@HOME@", os.path.expanduser("~")):
    try:
        with open(f"{folder}/@MARK@-big", "wb") as file:
            for _ in range(40):
                file.write(b"x" * (1 << 22))
    except OSError:
        pass
