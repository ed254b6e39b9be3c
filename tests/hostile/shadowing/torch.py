# attack: A file torch.py beside the notebook stands in for torch, with an obliging allclose.
# expect: triple failed, total passed
# never: marks
# lesson: torch

# %% file torch.py
class Thing:
    shape, dtype = (2,), 0
    def __init__(self, *args, **kwargs): pass
    def __call__(self, *args, **kwargs): return Thing()
    def __getattr__(self, name): return Thing()
    def __eq__(self, other): return True
    def __bool__(self): return True
    def __mul__(self, other): return Thing()
    __rmul__ = __neg__ = __add__ = __mul__
    def __hash__(self): return 0
class nn:
    Module = Thing
def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return Thing()

# %% triple
class Triple(nn.Module):
    def forward(self, x):
        return x
