# attack: A null pointer is read.
# expect: double kernel died, half passed
# never: neighbour, file

# %% double
import ctypes
def double(x):
    ctypes.string_at(0)
