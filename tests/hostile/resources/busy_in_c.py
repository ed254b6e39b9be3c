# attack: A computation in C that looks at no signal.
# expect: double timed out, half passed
# never: hang

# %% double
def double(x):
    return 7 ** 10 ** 10
