# attack: A user namespace makes the answer root over new namespaces, and opens the kernel to it.
# expect: half passed
# never: reach

# %% half
import ctypes, os
def half(x):
    return x / 2
libc = ctypes.CDLL(None, use_errno=True)
child = os.fork()
if child == 0:
    os._exit(7 if libc.unshare(0x10000000) == 0 else 0)
if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7:
    print(@BOAST@, "makes user namespaces")
