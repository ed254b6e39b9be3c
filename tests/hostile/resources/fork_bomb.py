# attack: Processes that double until there is no room for one more.
# expect: double timed out|kernel died|failed, half passed|kernel died|timed out
# never: process, neighbour, hang

# %% double
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
