# attack: A datagram.
# expect: half passed
# never: reach

# %% half
import socket
def half(x):
    return x / 2
for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::ffff:127.0.0.1")):
    try:
        socket.socket(family, socket.SOCK_DGRAM).sendto(b"hello", (host, @UDP@))
    except OSError as error:
        print(error)
