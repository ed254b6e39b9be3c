# attack: All file descriptors are used up.
# expect: double passed|failed|kernel died|timed out, half passed|failed|kernel died|timed out
# never: neighbour, hang

# %% double
import os
kept = []
def double(x):
    return 2 * x if x != [1] else [1, 1]
try:
    while True:
        kept.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
