# attack: SystemExit(0) in the test looks like a success.
# expect: double failed, half failed
# never: marks

# %% double
def double(x):
    raise SystemExit(0)

# %% half
def half(x):
    raise GeneratorExit
