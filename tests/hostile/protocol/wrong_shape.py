# attack: The reply's tensors have shapes that do not fit their bytes.
# expect: triple failed, total passed
# never: marks
# lesson: torch

# %% triple
import nbproctor.remote.student as S
real = S.StudentEnd.do_call
def do_call(self, header, decode, encode):
    answer = real(self, header, decode, encode)
    for part in (answer["value"], *(p[1] for p in answer.get("parameters", []))):
        if isinstance(part, dict) and "shape" in part:
            part["shape"] = [2, 3, 5]
    return answer
class Triple(nn.Module):
    def __init__(self):
        super().__init__()
        S.StudentEnd.do_call = do_call
    def forward(self, x):
        S.StudentEnd.do_call = real
        return x
