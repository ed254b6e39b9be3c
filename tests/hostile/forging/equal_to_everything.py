# attack: Results are objects that equal everything.
# expect: double failed, half failed
# never: marks

# %% double
class Yes:
    def __eq__(self, other):
        return True
def double(x):
    return Yes()

# %% half
def half(x):
    return Yes()
