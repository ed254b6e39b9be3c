# attack: A connection over an abstract socket, which no file system guards.
# expect: half passed
# never: reach

# %% half
import socket
def half(x):
    return x / 2
socket.socket(socket.AF_UNIX).connect("\0" + "@UNIX@")
