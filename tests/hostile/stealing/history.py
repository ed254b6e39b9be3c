# attack: The answer to the second exercise prints In, Out and the shell's history.
# expect: double passed, half passed
# never: secret

# %% half
print(In, Out, list(get_ipython().history_manager.get_range()))
def half(x):
    return x / 2
