"""One process per core runs the tests, so each of them, and what it starts, uses one thread.

torch's threads wait for each other in a loop: on cores that had other things to do, two of them
took 29 seconds of processor time for tests that train small networks, one took 9.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
