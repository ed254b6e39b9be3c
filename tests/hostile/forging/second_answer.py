# attack: A number that is right at the first look and anything at the second.
# expect: double failed, half failed|partial
# never: marks

# %% double
class Moody(int):
    looks = 0
    def __eq__(self, other):
        Moody.looks += 1
        return True
    def __int__(self):
        return 4
    __index__ = __int__
    __hash__ = None
def double(x):
    return Moody(4)

# %% half
def half(x):
    return Moody(1)
