# attack: The working folder is full of links and locked folders when the grader clears it away.
# expect: half passed
# never: file, process

# %% half
import os
def half(x):
    return x / 2
for n, target in enumerate(("@COURSE@", "@HOME@", "/", "/proc/self", "@COURSE@/submitted/zoe")):
    os.symlink(target, f"to{n}")
os.mkfifo("pipe")
os.makedirs("locked/inside/deep")
os.chmod("locked/inside", 0)
os.chmod("locked", 0)
name = "d" * 250
for _ in range(40):
    os.mkdir(name)
    os.chdir(name)
