# attack: Memory without end.
# expect: double out of memory|kernel died|timed out|failed, half passed|kernel died|timed out
# never: neighbour, hang

# %% double
kept = []
while True:
    kept.append(bytearray(b"x") * (1 << 24))
