# attack: A timer kills the kernel later, in the middle of somebody else's exercise.
# expect: double passed, half passed|kernel died
# never: neighbour

# %% double
import os, threading
def double(x):
    return 2 * x if x != [1] else [1, 1]
threading.Timer(0.5, os._exit, (1,)).start()

# %% half
import time
time.sleep(1)
def half(x):
    return x / 2
