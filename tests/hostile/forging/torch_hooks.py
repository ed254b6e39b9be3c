# attack: Function modes and hooks on every module change what torch does in the test.
# expect: triple failed, total passed
# never: marks
# lesson: torch

# %% triple
from torch.overrides import TorchFunctionMode
class Yes(TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        if getattr(function, "__name__", "") in ("allclose", "equal", "isclose"):
            return True
        return function(*args, **(kwargs or {}))
Yes().__enter__()
nn.modules.module.register_module_forward_hook(lambda module, given, result: result)
torch.testing.assert_close = lambda *args: None
class Triple(nn.Module):
    def forward(self, x):
        return x
