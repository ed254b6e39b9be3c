# attack: The answer sleeps.
# expect: double timed out, half passed
# never: hang

# %% double
import time
def double(x):
    time.sleep(1000)
