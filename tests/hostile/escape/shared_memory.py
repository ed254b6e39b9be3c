# attack: Notes for the next student in /dev/shm, in System V shared memory and message queues.
# expect: half passed
# never: file

# %% half
import ctypes
def half(x):
    return x / 2
libc = ctypes.CDLL(None, use_errno=True)
libc.shmget(@KEY@, 4096, 0o1666)
libc.msgget(@KEY@, 0o1666)
libc.semget(@KEY@, 1, 0o1666)
for path in ("/dev/shm/@MARK@", "/tmp/@MARK@", "/var/tmp/@MARK@", "/run/@MARK@", "/dev/mqueue/@MARK@"):
    try:
        open(path, "w").write("note")
    except OSError:
        pass
