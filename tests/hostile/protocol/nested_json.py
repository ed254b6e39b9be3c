# attack: The reply is a hundred thousand nested lists.
# expect: double failed, half passed
# never: marks, hang

# %% double
import nbproctor.remote.student as S
real = S.StudentEnd.do_call
def do_call(self, header, decode, encode):
    text = b'{"ok":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    self.channel.sock.sendall(S.Channel.send.__globals__["PREFIX"].pack(len(text), 0) + text)
    return {}
def double(x):
    return x
S.StudentEnd.do_call = do_call

# %% half
S.StudentEnd.do_call = real
def half(x):
    return x / 2
