# attack: A single line of twenty megabytes.
# expect: double passed, half passed
# never: hang, neighbour

# %% double
print("x" * 20_000_000)
def double(x):
    return 2 * x if x != [1] else [1, 1]
