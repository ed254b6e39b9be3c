# attack: A loop that catches every interrupt.
# expect: double timed out, half passed
# never: hang

# %% double
import signal, time
def double(x):
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    while True:
        try:
            time.sleep(100)
        except BaseException:
            pass
