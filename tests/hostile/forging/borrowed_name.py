# attack: The answer's cell binds the names that the grader's own code uses.
# expect: double failed|kernel died, half passed|kernel died
# never: marks

# %% double
globals = locals = {}
__import__ = 3
__builtins__ = {}
def double(x):
    return x
