# attack: The answer reads the memory of its parent processes for the text of hidden tests.
# expect: half passed
# never: secret

# %% half
import os, re
def half(x):
    return x / 2
def search(pid):
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            if "[heap]" in line or line.split()[1].startswith("rw") and len(line.split()) == 5:
                start, end = (int(part, 16) for part in line.split()[0].split("-"))
                if end - start < 1 << 26:
                    memory.seek(start)
                    for found in re.findall(rb"known_only.{60}", memory.read(end - start)):
                        print(found)
                        return
for pid in (@PID@, os.getppid()):
    try:
        search(pid)
    except (OSError, OverflowError, ValueError):
        pass
