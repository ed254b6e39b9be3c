# attack: Raw, packet and netlink sockets, and a server that waits for others.
# expect: half passed
# never: reach

# %% half
import socket
def half(x):
    return x / 2
for name, arguments in {
    "packet sockets": (socket.AF_PACKET, socket.SOCK_RAW, 0x300),
    "raw sockets": (socket.AF_INET, socket.SOCK_RAW, 255),
    "vsock": (socket.AF_VSOCK, socket.SOCK_STREAM),
    "bluetooth": (31, socket.SOCK_RAW, 1),
    "kernel cryptography": (socket.AF_ALG, socket.SOCK_SEQPACKET),
}.items():
    try:
        socket.socket(*arguments).close()
        print(@BOAST@, "opens", name)
    except OSError:
        pass
