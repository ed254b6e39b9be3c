# attack: The grader is bound to one processor, given the lowest priority and a limit on its time.
# expect: half passed
# never: reach

# %% half
import os, resource
def half(x):
    return x / 2
def tried(what, function, *arguments):
    try:
        function(*arguments)
        print(@BOAST@, what)
    except (OSError, ValueError, PermissionError):
        pass
tried("bound the grader", os.sched_setaffinity, @PID@, os.sched_getaffinity(0))
tried("slowed the grader", os.setpriority, os.PRIO_PROCESS, @PID@, 0)
tried("limited the grader", resource.prlimit, @PID@, resource.RLIMIT_NPROC, (-1, -1))
tried("took real time", os.sched_setscheduler, 0, os.SCHED_RR, os.sched_param(1))
