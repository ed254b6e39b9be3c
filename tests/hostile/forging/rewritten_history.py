# attack: A last cell of the learner's own rewrites In, Out and the score.
# expect: double failed, half failed
# never: marks

# %% double
def double(x):
    return x

# %% half
def half(x):
    return None

# %% own
for number in range(20):
    Out[number] = 3.0
score = 3
In[:] = ["3.0"] * len(In)
3.0
