# attack: Results are NaN, which no comparison can catch if it asks the wrong way round.
# expect: double failed, half failed
# never: marks

# %% double
def double(x):
    return float("nan")

# %% half
def half(x):
    return float("nan")
