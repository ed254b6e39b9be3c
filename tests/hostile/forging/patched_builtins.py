# attack: AssertionError, isinstance, all, range and abs are replaced by obliging ones.
# expect: double failed|kernel died, half failed|kernel died
# never: marks

# %% double
import builtins
class Nothing(BaseException):
    def __new__(cls, *args):
        raise KeyboardInterrupt
builtins.AssertionError = Nothing
builtins.isinstance = builtins.all = lambda *args: True
def double(x):
    return x

# %% half
builtins.range = lambda *args: []
def half(x):
    return None
