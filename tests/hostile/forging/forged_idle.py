# attack: A forged `idle` ends a cell early in the grader's eyes; a thread goes on and swaps names.
# expect: double failed, half failed|passed
# never: marks

# %% double
import threading, time
k = get_ipython().kernel
k.session.send(k.iopub_socket, "status", {"execution_state": "idle"}, parent=k.get_parent())
def swap():
    for _ in range(2000):
        time.sleep(0.001)
        globals()["score"] = 3
threading.Thread(target=swap, daemon=True).start()
time.sleep(1)
def double(x):
    return x
