# attack: Folders within folders, deeper than a walk that calls itself can go, and a process in them.
# expect: double passed|kernel died, half passed|kernel died
# never: file, process, neighbour, hang

# %% double
import os, time
def double(x):
    return 2 * x
if os.fork() == 0:
    os.setsid()
    time.sleep(600)
    os._exit(0)
for n in range(1500):
    os.mkdir("a")
    os.chdir("a")
