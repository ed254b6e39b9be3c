# attack: One of a pair of sockets, or a socket that the kernel was given, sends to a path outside.
# expect: half passed
# never: reach

# %% half
import os, socket
def half(x):
    return x / 2
found = list(socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM))
for number in range(3, 100):
    try:
        found.append(socket.socket(fileno=os.dup(number)))
    except OSError:
        pass
try:
    found += socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
except OSError:
    pass
for sock in found:
    sock.setblocking(False)
    for path in ("@UNIX@", "@DATAGRAM@"):
        for way in (lambda: sock.sendto(b"x", path), lambda: (sock.connect(path), sock.send(b"x"))):
            try:
                way()
            except (OSError, TypeError):
                pass
