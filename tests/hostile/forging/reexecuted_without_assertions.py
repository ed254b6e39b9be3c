# attack: The kernel is replaced by one that runs Python without assertions.
# expect: double failed|kernel died|timed out, half passed|kernel died|timed out
# never: marks, hang

# %% double
import os, sys
if sys.flags.optimize == 0:
    arguments = open("/proc/self/cmdline").read().split("\0")[:-1]
    os.environ["PYTHONOPTIMIZE"] = "1"
    os.execv(sys.executable, [sys.executable, "-O", *arguments[1:]])
def double(x):
    return x
