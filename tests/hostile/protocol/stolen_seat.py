# attack: The learner's own thread connects to the judge's socket first and answers with yes.
# expect: double failed|kernel died|timed out, half failed|passed|kernel died|timed out
# never: marks, hang

# %% double
import glob, json, os, socket, struct, threading, time
def seat():
    taken = set()
    for _ in range(4000):
        for path in glob.glob("/tmp/nbj-*/*") + glob.glob("@COURSE@/../tmp/nbj-*/*"):
            if path not in taken:
                taken.add(path)
                try:
                    sock = socket.socket(socket.AF_UNIX)
                    sock.connect(path)
                    text = json.dumps({"ok": {"value": True}}).encode()
                    for _ in range(50):
                        sock.sendall(struct.pack("!IQ", len(text), 0) + text)
                except OSError:
                    pass
        time.sleep(0.001)
threading.Thread(target=seat, daemon=True).start()
def double(x):
    return x
