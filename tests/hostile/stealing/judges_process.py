# attack: The answer looks for the judge's process and folder, and reads its command and its files.
# expect: half passed|failed|kernel died
# never: secret

# %% half
import glob, os
def half(x):
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        folder = os.path.dirname(path)
        try:
            if "judge" in open(path).read() and folder != f"/proc/{os.getpid()}":
                for number in os.listdir(folder + "/fd"):
                    open("seen", "a").write(os.readlink(f"{folder}/fd/{number}"))
                with open(folder + "/maps") as maps, open(folder + "/mem", "rb", 0) as memory:
                    for line in maps:
                        if "[heap]" in line:
                            start, end = (int(part, 16) for part in line.split()[0].split("-"))
                            memory.seek(start)
                            data = memory.read(end - start)
                            at = data.find(b"known_only")
                            open("seen", "a").write(repr(data[at : at + 100] if at >= 0 else b""))
        except OSError:
            pass
    return x / 2

# %% own
print(open("seen").read() if os.path.exists("seen") else "nothing")
