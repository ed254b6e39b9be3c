# attack: The function looks up its callers' frames, and the source that they come from.
# expect: double failed
# never: secret

# %% double
import linecache, sys
def double(x):
    frame, seen = sys._getframe(), []
    while frame is not None:
        code = frame.f_code
        seen += [linecache.getlines(code.co_filename), code.co_consts, list(frame.f_globals.items())]
        frame = frame.f_back
    open("seen", "a").write(repr(seen))
    return 2 * x if x == 2 else x

# %% own
import os
print(open("seen").read() if os.path.exists("seen") else "nothing")
