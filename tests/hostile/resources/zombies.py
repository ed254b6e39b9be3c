# attack: Children that die and are never buried, and one that outlives the kernel by a command.
# expect: half passed
# never: process

# %% half
import os, subprocess
def half(x):
    return x / 2
for _ in range(20):
    if os.fork() == 0:
        os._exit(0)
command = "trap '' HUP TERM INT; sleep 600 & sleep 600"
subprocess.Popen(["setsid", "nohup", "sh", "-c", command], stdin=-3, stdout=-3, stderr=-3)
