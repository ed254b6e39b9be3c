# attack: The argument is zeroed in place, so that zeros are three times as much.
# expect: triple failed, total failed
# never: marks
# lesson: torch

# %% triple
class Triple(nn.Module):
    def forward(self, x):
        return x.data.zero_()

# %% total
def total(x):
    x.data.zero_()
    return torch.zeros(())
