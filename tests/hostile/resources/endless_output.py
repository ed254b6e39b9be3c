# attack: Output without end, on both streams and below Python's.
# expect: double timed out|failed|kernel died, half passed|kernel died|timed out
# never: hang, neighbour

# %% double
import os, sys
while True:
    print("x" * 1000)
    print("y" * 1000, file=sys.stderr)
    os.write(2, b"z" * 1000)
