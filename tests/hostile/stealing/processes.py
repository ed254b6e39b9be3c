# attack: The answer goes through /proc into the grader's folder, root and command line.
# expect: half passed
# never: secret

# %% half
import glob, os
def half(x):
    return x / 2
for folder in ("/proc/@PID@", *glob.glob("/proc/[0-9]*")):
    for way in ("/root@HOME@/notes.txt", "/cwd/notes.txt", "/root@COURSE@/notes.txt"):
        try:
            print(open(folder + way).read())
        except OSError:
            pass
    try:
        print(open(folder + "/cmdline").read(), os.listdir(folder + "/fd"))
    except OSError:
        pass
