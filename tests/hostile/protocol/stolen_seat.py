# attack: The learner's own thread takes the judge's connection and answers everything with 6.
# expect: double failed|kernel died|timed out, half failed|kernel died|timed out
# never: marks, hang

# %% double
import json, socket, struct, threading
import nbproctor.remote.student as S
text = json.dumps({"ok": {"value": 6, "changed": False}}).encode()
def seat():
    while True:
        _, descriptors, _, _ = socket.recv_fds(S._calls[0], 16, 1)
        sock = socket.socket(fileno=descriptors[0])
        try:
            sock.sendall(b".")
            for _ in range(50):
                sock.sendall(struct.pack("!IQ", len(text), 0) + text)
        except OSError:
            pass
threading.Thread(target=seat, daemon=True).start()
def double(x):
    return x

# %% half
# Wrong too: the main thread may be the first to take this test's connection.
def half(x):
    return x + 1
