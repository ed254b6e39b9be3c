# attack: torch.randn gives zeros, and the answers are zeros.
# expect: triple failed, total failed
# never: marks
# lesson: torch

# %% triple
torch.randn = torch.zeros
class Triple(nn.Module):
    def forward(self, x):
        return torch.zeros_like(x)

# %% total
def total(x):
    return torch.zeros(()) if x.dim() == 2 else torch.tensor(3.0)
