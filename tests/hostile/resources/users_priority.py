# attack: The priority of all processes of the user is lowered, the grader's among them.
# expect: half passed
# never: reach

# %% half
import os
def half(x):
    return x / 2
for which in (os.PRIO_USER, os.PRIO_PGRP):
    try:
        os.setpriority(which, 0, 19)
    except OSError:
        pass
try:
    if os.getpriority(os.PRIO_PROCESS, @PID@) == 19:
        print(@BOAST@, "slowed the grader")
except OSError:
    pass
