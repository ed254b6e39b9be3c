# attack: The grader is traced.
# expect: half passed
# never: reach

# %% half
import ctypes, os
def half(x):
    return x / 2
libc = ctypes.CDLL(None, use_errno=True)
if libc.ptrace(0x4206, @PID@, 0, 0) == 0:
    print(@BOAST@, "traces the grader")
here, there = ctypes.create_string_buffer(8), (ctypes.c_size_t * 2)()
with open("/proc/self/maps") as maps:
    start = int(maps.readline().split("-")[0], 16)
local = (ctypes.c_size_t * 2)(ctypes.addressof(here), 8)
there[:] = start, 8
if libc.process_vm_readv(@PID@, local, 1, there, 1, 0) > 0:
    print(@BOAST@, "reads the memory of the grader")
