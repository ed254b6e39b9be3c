# attack: The reply stops in the middle of a frame, and the socket is closed.
# expect: double failed|kernel died, half passed
# never: marks, hang

# %% double
import nbproctor.remote.student as S
real = S.StudentEnd.do_call
def do_call(self, header, decode, encode):
    self.channel.sock.sendall(S.Channel.send.__globals__["PREFIX"].pack(1000, 0) + b'{"ok"')
    self.channel.sock.close()
def double(x):
    return x
S.StudentEnd.do_call = do_call

# %% half
S.StudentEnd.do_call = real
def half(x):
    return x / 2
