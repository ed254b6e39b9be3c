# attack: sys.displayhook prints a full score from the learner's own cell, behind its answer.
# expect: double failed, half passed
# never: marks

# %% double
import sys
sys.displayhook(2.0)
def double(x):
    return x
