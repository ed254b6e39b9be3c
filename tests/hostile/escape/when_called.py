# attack: The function, not its cell, connects, signals and writes.
# expect: half passed
# never: reach, file

# %% half
import os, signal, socket
def half(x):
    for attempt in (
        lambda: socket.create_connection(("127.0.0.1", @TCP@), 1),
        lambda: socket.socket(socket.AF_UNIX).connect("\0" + "@UNIX@"),
        lambda: os.kill(@PID@, signal.SIGURG),
        lambda: open("@HOME@/@MARK@", "w"),
        lambda: open("/tmp/@MARK@", "w"),
    ):
        try:
            attempt()
        except OSError:
            pass
    return x / 2
