# attack: A connection over TCP.
# expect: half passed
# never: reach

# %% half
import socket
def half(x):
    return x / 2
socket.create_connection(("127.0.0.1", @TCP@), 1).sendall(b"hello")
