# attack: The reply says that the call raised what would end the test's loop or its process.
# expect: double failed, half failed
# never: marks, neighbour

# %% double
import itertools
import nbproctor.remote.student as S
KINDS = itertools.cycle(["SystemExit", "StopIteration", "GeneratorExit", "KeyboardInterrupt"])
def _answer(self, header, payload):
    if header["do"] != "call":
        return real(self, header, payload)
    return {"error": {"types": [next(KINDS), "BaseException"], "message": "x", "where": ""}}, []
def double(x):
    return x
real = S.StudentEnd._answer
S.StudentEnd._answer = _answer
