# attack: The reply's tensor claims a dtype that is no dtype.
# expect: triple failed, total passed
# never: marks
# lesson: torch

# %% triple
import nbproctor.remote.student as S
real = S.StudentEnd.do_call
def do_call(self, header, decode, encode):
    answer = real(self, header, decode, encode)
    if isinstance(answer["value"], dict) and "dtype" in answer["value"]:
        answer["value"]["dtype"] = "__class__"
    return answer
class Triple(nn.Module):
    def forward(self, x):
        S.StudentEnd.do_call = do_call
        return x

# %% total
S.StudentEnd.do_call = real
def total(x):
    return x.sum()
