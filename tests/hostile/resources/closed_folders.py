# attack: Big files in folders that nobody may look into, each with a name as long as can be.
# expect: double failed|kernel died, half passed|failed|kernel died
# never: file, neighbour, hang

# %% double
import itertools, os
for n in itertools.count():
    name = f"{n:0250}"
    os.mkdir(name, 0o300)
    os.chdir(name)
    with open("big", "wb") as file:
        for _ in range(64):
            file.write(bytes(1 << 20))
