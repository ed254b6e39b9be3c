# attack: File systems are mounted, roots changed, host names set.
# expect: half passed
# never: reach

# %% half
import ctypes, os
def half(x):
    return x / 2
libc = ctypes.CDLL(None, use_errno=True)
if os.fork() == 0:  # in namespaces of its own: whatever succeeds harms nobody
    if libc.unshare(0x00020000 | 0x04000000) == 0:
        libc.mount(b"none", b"/", None, 0x4000 | 0x40000, None)
        if libc.mount(b"none", b".", b"tmpfs", 0, None) == 0:
            open("boast", "w") and os.chdir(".")
            print(@BOAST@, "mounts", flush=True)
            os.write(1, b"x")
            open(os.path.expanduser("~/mounted"), "w")
    os._exit(0)
os.wait()
if os.path.exists(os.path.expanduser("~/mounted")):
    print(@BOAST@, "mounts file systems")
if libc.sethostname(b"mallory", 7) == 0:
    print(@BOAST@, "names the host")
