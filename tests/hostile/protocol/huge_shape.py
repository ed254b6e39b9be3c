# attack: The reply's tensor claims 2**62 elements on the meta device.
# expect: triple failed, total passed
# never: marks, hang
# lesson: torch

# %% triple
import nbproctor.remote.student as S
real = S.StudentEnd.do_call
def do_call(self, header, decode, encode):
    answer = real(self, header, decode, encode)
    if isinstance(answer["value"], dict) and "dtype" in answer["value"]:
        answer["value"].update(shape=[1 << 31, 1 << 31], device="meta")
    return answer
class Triple(nn.Module):
    def forward(self, x):
        S.StudentEnd.do_call = do_call
        return x

# %% total
S.StudentEnd.do_call = real
def total(x):
    return x.sum()
