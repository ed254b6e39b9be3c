# attack: The answer prints another student's submission.
# expect: half passed
# never: secret

# %% half
def half(x):
    return x / 2
print(open("@NEIGHBOUR@").read())
