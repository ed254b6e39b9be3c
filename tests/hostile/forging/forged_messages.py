# attack: Kernel messages with broken parents, headers and contents try to stop the grader.
# expect: double failed, half passed
# never: marks, neighbour

# %% double
import json
k = get_ipython().kernel
s = k.session
def raw(kind, content, parent=json.dumps(k.get_parent()["header"], default=str)):
    header = json.dumps(s.msg_header(kind), default=str)
    parts = [header.encode(), parent.encode(), b"{}", content.encode()]
    k.iopub_socket.send_multipart([b"x", b"<IDS|MSG>", s.sign(parts)] + parts)
raw("stream", "{}", "null")
raw("stream", "{}", "[1]")
raw("stream", "[1]")
raw("stream", "[" * 100000)
raw("fits", "7")
raw(None, "{}")
raw("_delattr__", '"cells"')
raw("stream", json.dumps({"name": "stdout", "text": "\ud800"}))
raw("_init__", "1000000000000")
def double(x):
    return x
