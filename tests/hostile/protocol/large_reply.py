# attack: Every reply holds hundreds of megabytes that are within no limit.
# expect: double failed|timed out|out of memory|kernel died, half passed
# never: marks, hang, neighbour

# %% double
def double(x):
    return bytes(1 << 28) if x == 2 else "x" * (1 << 28)
