# attack: The kernel stops itself: it is alive, and does nothing.
# expect: double timed out|kernel died, half passed
# never: hang, process

# %% double
import os, signal
def double(x):
    os.kill(os.getpid(), signal.SIGSTOP)
