# attack: Random bytes instead of a reply.
# expect: double failed, half passed
# never: marks, hang

# %% double
import os
import nbproctor.remote.student as S
real = S.StudentEnd.do_call
def do_call(self, header, decode, encode):
    self.channel.sock.sendall(os.urandom(100_000))
    return {}
def double(x):
    return x
S.StudentEnd.do_call = do_call

# %% half
S.StudentEnd.do_call = real
def half(x):
    return x / 2
