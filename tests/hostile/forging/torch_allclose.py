# attack: torch.allclose is replaced by one that always agrees.
# expect: triple failed, total passed
# never: marks
# lesson: torch

# %% triple
torch.allclose = torch.equal = torch.testing.assert_close = lambda *args, **kwargs: True
class Triple(nn.Module):
    def forward(self, x):
        return x
