# attack: Descriptors and messages are sent up the socket through which the judge's calls come.
# expect: double failed|kernel died|timed out, half passed|failed|kernel died|timed out
# never: marks, hang, neighbour

# %% double
import os, socket
import nbproctor.remote.student as S
pairs = [socket.socketpair() for _ in range(50)]
for ours, theirs in pairs:
    try:
        S._calls[0].setblocking(False)
        socket.send_fds(S._calls[0], [b"9" * 16], [theirs.fileno()])
    except OSError:
        break
S._calls[0].setblocking(True)
def double(x):
    return x
