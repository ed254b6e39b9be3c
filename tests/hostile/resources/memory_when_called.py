# attack: The function, not its cell, takes memory without end.
# expect: double out of memory|kernel died|timed out, half passed
# never: neighbour, hang

# %% double
def double(x):
    kept = []
    while True:
        kept.append(bytearray(b"x") * (1 << 24))
