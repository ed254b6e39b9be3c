# attack: System calls that an exercise has no use for: io_uring, bpf, keyrings, userfaultfd, perf.
# expect: half passed
# never: reach

# %% half
import ctypes
def half(x):
    return x / 2
libc = ctypes.CDLL(None, use_errno=True)
space = ctypes.create_string_buffer(256)
CALLS = {
    "io_uring_setup": (425, 1, space),
    "bpf": (321, 0, space, 72),
    "add_key": (248, b"user", b"@MARK@", b"x", 1, -2),
    "request_key": (249, b"user", b"@MARK@", 0, -2),
    "keyctl": (250, 0, -5, 1),
    "userfaultfd": (323, 1),
    "perf_event_open": (298, space, 0, -1, -1, 0),
    "open_by_handle_at": (304, -100, space, 0),
    "kexec_load": (246, 0, 0, 0, 0),
    "init_module": (175, space, 0, b""),
    "quotactl": (179, 0, 0, 0, 0),
    "swapon": (167, b"/nowhere", 0),
    "acct": (163, b"/nowhere"),
    "reboot": (169, 0, 0, 0, 0),
}
REFUSED = (1, 38)  # EPERM: not allowed; ENOSYS: there is no such call
for name, arguments in CALLS.items():
    ctypes.set_errno(0)
    if libc.syscall(*arguments) >= 0 or ctypes.get_errno() not in REFUSED:
        print(@BOAST@, "is let into", name)
