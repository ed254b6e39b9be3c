# attack: The answer prints the course's own notebook, with its hidden tests and solutions.
# expect: double passed, half passed
# never: secret

# %% double
def double(x):
    return 2 * x if x != [1] else [1, 1]
print(open("@SOLUTION@").read())
