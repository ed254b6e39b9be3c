# attack: The reply comes a byte at a time, each before any single wait is over.
# expect: double timed out, half passed
# never: marks, hang

# %% double
import time
import nbproctor.remote.student as S
real = S.StudentEnd.do_call
def do_call(self, header, decode, encode):
    text = b'{"ok":{"value":' + b" " * 10_000 + b"4}}"
    frame = S.Channel.send.__globals__["PREFIX"].pack(len(text), 0) + text
    for n in range(len(frame)):
        self.channel.sock.send(frame[n : n + 1])
        time.sleep(0.2)
def double(x):
    return x
S.StudentEnd.do_call = do_call

# %% half
S.StudentEnd.do_call = real
def half(x):
    return x / 2
