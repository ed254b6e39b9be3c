# attack: Gradients and parameters of calls that were never made are offered with the reply.
# expect: triple failed, total passed
# never: marks
# lesson: torch

# %% triple
import nbproctor.remote.student as S
real = S.StudentEnd.do_call
def do_call(self, header, decode, encode):
    answer = real(self, header, decode, encode)
    spec = {"$": "tensor", "dtype": "float32", "shape": [4, 5], "device": "cpu", "grad": True}
    return {**answer, "graph": 7, "parameters": [[1, spec], [1, spec], [-1, spec]]}
class Triple(nn.Module):
    def forward(self, x):
        return x
S.StudentEnd.do_call = do_call

# %% total
S.StudentEnd.do_call = real
def total(x):
    return x.sum()
