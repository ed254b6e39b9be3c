# attack: The reply claims a terabyte and sends zeros for as long as anybody listens.
# expect: double failed|timed out, half passed
# never: marks, hang

# %% double
import nbproctor.remote.student as S
real = S.StudentEnd.do_call
def do_call(self, header, decode, encode):
    sock = self.channel.sock
    sock.sendall(S.Channel.send.__globals__["PREFIX"].pack(1 << 20, 1 << 40))
    while True:
        sock.sendall(bytes(1 << 20))
def double(x):
    return x
S.StudentEnd.do_call = do_call

# %% half
S.StudentEnd.do_call = real
def half(x):
    return x / 2
