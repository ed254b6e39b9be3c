# attack: Threads without end.
# expect: double timed out|kernel died|failed|passed, half passed|kernel died|timed out
# never: neighbour, hang

# %% double
import threading, time
def double(x):
    return x
while True:
    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
