# attack: The answer imports its own work from a file handed in that no lesson asked for.
# expect: double failed, half passed
# never: marks

# %% double
from handed_in import double

# %% file handed_in.py
import sys
sys.displayhook(2.0)
def double(x):
    return x
