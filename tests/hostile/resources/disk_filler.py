# attack: A file that grows until the disk is full, and small ones until there are no names left.
# expect: double failed|timed out|kernel died|out of memory, half passed|kernel died|timed out|failed
# never: neighbour, hang, file

# %% double
import itertools
try:
    with open("big", "wb") as file:
        while True:
            file.write(b"x" * (1 << 22))
finally:
    for n in itertools.count():
        open(f"small{n}", "wb").close()
