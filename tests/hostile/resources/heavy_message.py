# attack: A kernel message of forty megabytes of empty lists, thirty times as much when read.
# expect: half passed|timed out|kernel died
# never: memory, hang, neighbour

# %% half
import json
def half(x):
    return x / 2
k = get_ipython().kernel
s = k.session
header = [json.dumps(h, default=str).encode() for h in (s.msg_header("stream"), k.get_parent()["header"])]
parts = [*header, b"{}", b'{"a":[' + b"[]," * 14_000_000 + b"0]}"]
k.iopub_socket.send_multipart([b"x", b"<IDS|MSG>", s.sign(parts)] + parts)
