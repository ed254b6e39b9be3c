# attack: A trace function rewrites the tests' own variables while they run.
# expect: double failed, half failed
# never: marks

# %% double
import sys
def cheat(frame, event, argument):
    if "score" in frame.f_globals:
        frame.f_globals["score"] = 3
    return cheat
sys.settrace(cheat)
def double(x):
    return x

# %% half
def half(x):
    sys.settrace(cheat)
    return None
