# attack: A process that detaches itself twice, ignores signals and waits for the next student.
# expect: half passed
# never: process

# %% half
import os, signal, time
def half(x):
    return x / 2
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in range(1, 65):
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        os.closerange(0, 1000)
        time.sleep(600)
    os._exit(0)
