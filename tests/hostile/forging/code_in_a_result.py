# attack: Results whose pickling, hashing, formatting and conversion run code where they are read.
# expect: double failed, half failed
# never: marks, file

# %% double
class Loaded:
    def __reduce__(self):
        return (open, ("@HOME@/@MARK@", "w"))
    def __repr__(self):
        open("@HOME@/@MARK@", "w")
    __str__ = __hash__ = __len__ = __array__ = __float__ = __index__ = __bool__ = __repr__
def double(x):
    return Loaded()

# %% half
class Meta(type):
    def __instancecheck__(cls, other):
        return True
    def __eq__(cls, other):
        return True
    __hash__ = type.__hash__
class Half(metaclass=Meta):
    pass
def half(x):
    return Half
