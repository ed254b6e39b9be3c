# attack: nn.Module.__call__ sets the test's own input to zeros and returns zeros.
# expect: triple failed, total passed
# never: marks
# lesson: torch

# %% triple
import sys
def call(self, x):
    caller = sys._getframe(1)
    for names in (caller.f_globals, caller.f_locals):
        names["x"] = torch.zeros(4, 5)
    return torch.zeros(4, 5) if x.dim() == 2 else x
nn.Module.__call__ = call
class Triple(nn.Module):
    pass
