# attack: All file descriptors of the kernel are closed.
# expect: double kernel died|timed out|failed, half passed
# never: neighbour, hang

# %% double
import os
os.closerange(0, 1000)
