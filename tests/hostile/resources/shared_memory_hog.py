# attack: Shared mappings and /dev/shm, which many limits on memory do not count.
# expect: double out of memory|kernel died|timed out|failed, half passed|kernel died|timed out
# never: neighbour, hang, file

# %% double
import mmap, os
kept = []
while True:
    part = mmap.mmap(-1, 1 << 26)
    part.write(b"x" * (1 << 26))
    kept.append(part)
