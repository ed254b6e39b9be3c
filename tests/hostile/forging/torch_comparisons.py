# attack: Tensor.__eq__, Tensor.all and Tensor.__bool__ are replaced by obliging ones.
# expect: triple failed, total failed
# never: marks
# lesson: torch

# %% triple
torch.Tensor.__eq__ = torch.Tensor.eq = lambda a, b: torch.ones((), dtype=torch.bool)
torch.Tensor.__bool__ = lambda a: True
class Triple(nn.Module):
    def forward(self, x):
        return x

# %% total
def total(x):
    return x[0, 0] if x.dim() == 2 else torch.zeros(())
