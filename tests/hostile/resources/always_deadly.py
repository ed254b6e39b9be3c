# attack: Every cell and every call kills the kernel.
# expect: double kernel died, half kernel died
# never: neighbour, hang

# %% own
import os
os._exit(1)

# %% own
import os
os._exit(1)

# %% own
import os
os._exit(1)

# %% double
import os
def double(x):
    os._exit(1)

# %% half
def half(x):
    os._exit(1)
