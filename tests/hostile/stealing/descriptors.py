# attack: The answer reads whatever files it has inherited, or can take from the grader.
# expect: half passed
# never: secret, reach

# %% half
import ctypes, os
def half(x):
    return x / 2
libc = ctypes.CDLL(None, use_errno=True)
grader = libc.syscall(434, @PID@, 0)
for number in range(3, 300):
    taken = libc.syscall(438, grader, number, 0) if grader >= 0 else -1
    if taken >= 0:
        print(@BOAST@, "took a descriptor of the grader", number)
        os.close(taken)
    try:
        target = os.readlink(f"/proc/self/fd/{number}")
        if target.startswith("/") and not target.startswith("/dev"):
            print(target, os.pread(number, 1000000, 0))
    except OSError:
        pass
