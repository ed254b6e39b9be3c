# attack: Signals to the grader and to whatever process can be seen.
# expect: half passed
# never: reach

# %% half
import os, signal
def half(x):
    return x / 2
for pid in (@PID@, os.getppid()):
    try:
        os.kill(pid, signal.SIGURG)
    except OSError:
        pass
