# attack: A hundred tensors of a reply point into the same megabyte.
# expect: triple failed, total passed
# never: marks
# lesson: torch

# %% triple
import nbproctor.remote.student as S
real = S.StudentEnd.do_call
def do_call(self, header, decode, encode):
    encode.payload = [bytes(1 << 20)]
    part = {"$": "tensor", "dtype": "uint8", "shape": [1 << 20], "device": "cpu", "at": 0}
    return {"value": [part] * 100, "changed": False}
class Triple(nn.Module):
    def forward(self, x):
        return x
S.StudentEnd.do_call = do_call

# %% total
S.StudentEnd.do_call = real
def total(x):
    return x.sum()
