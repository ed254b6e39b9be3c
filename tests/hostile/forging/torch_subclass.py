# attack: A subclass of Tensor answers every torch function with True.
# expect: triple failed, total failed
# never: marks
# lesson: torch

# %% triple
class Agreeable(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if getattr(function, "__name__", "") in ("allclose", "equal", "eq", "__eq__", "isclose"):
            return True
        return super().__torch_function__(function, types, args, kwargs or {})
class Triple(nn.Module):
    def forward(self, x):
        return x.as_subclass(Agreeable)

# %% total
def total(x):
    return torch.zeros(()).as_subclass(Agreeable)
