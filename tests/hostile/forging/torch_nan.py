# attack: Results are tensors of NaN.
# expect: triple failed, total failed
# never: marks
# lesson: torch

# %% triple
class Triple(nn.Module):
    def forward(self, x):
        return x * float("nan")

# %% total
def total(x):
    return x.sum() if x.dim() == 1 else torch.tensor(float("nan"))
