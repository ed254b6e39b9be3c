# attack: A reply comes after its call has timed out, to be taken for the next one's.
# expect: double timed out, half passed|failed|partial
# never: marks, hang

# %% double
import threading, time
import nbproctor.remote.student as S
real = S.StudentEnd.do_call
def do_call(self, header, decode, encode):
    time.sleep(4)
    return {"value": 6}
def double(x):
    return x
S.StudentEnd.do_call = do_call

# %% half
S.StudentEnd.do_call = real
def half(x):
    return x / 2
