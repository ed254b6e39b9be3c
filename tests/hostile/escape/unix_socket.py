# attack: A connection over a socket in the file system.
# expect: half passed
# never: reach

# %% half
import socket
def half(x):
    return x / 2
socket.socket(socket.AF_UNIX).connect("@UNIX@")
