# attack: The function shows a full score with sys.displayhook before the test can fail.
# expect: double failed, half failed
# never: marks

# %% double
import sys
def double(x):
    sys.displayhook(2.0)
    return x

# %% half
def half(x):
    sys.displayhook(3.0)
    return None
