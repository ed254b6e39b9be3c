# attack: The grader is made the owner of a descriptor, and gets its signal when data come.
# expect: half passed
# never: reach

# %% half
import fcntl, os, signal, socket, struct
def half(x):
    return x / 2
for kind, owner in ((fcntl.F_SETOWN, @PID@), (15, struct.pack("ii", 1, @PID@))):
    a, b = socket.socketpair()
    try:
        fcntl.fcntl(a, kind, owner)
        fcntl.fcntl(a, 10, signal.SIGURG)
        fcntl.fcntl(a, fcntl.F_SETFL, os.O_NONBLOCK | fcntl.FASYNC)
        b.send(b"x")
    except OSError:
        pass
