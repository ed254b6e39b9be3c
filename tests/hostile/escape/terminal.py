# attack: The answer writes to the grader's own terminal and log.
# expect: half passed
# never: page, reach

# %% half
import os, sys
def half(x):
    return x / 2
text = b"\x1b]0;@MARK@\x07@MARK@\n"
for path in ("/dev/tty", "/proc/@PID@/fd/1", "/proc/@PID@/fd/2", f"/proc/{os.getppid()}/fd/1"):
    try:
        with open(path, "wb", 0) as file:
            file.write(text)
    except OSError:
        pass
for number in (1, 2, sys.stdout._original_stdstream_copy):
    try:
        os.write(number, text)
    except (OSError, TypeError):
        pass
