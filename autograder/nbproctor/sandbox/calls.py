"""Numbers of system calls on x86_64 and on aarch64, by what the filter does with them.

None: there is no such call on that kind of machine.
"""

__all__ = ["BY_ARGUMENT", "BY_PID", "NUMBERS", "PRETENDED", "REACHING", "WITHOUT_NAMESPACES"]

Pair = tuple[int | None, int | None]

# Refused at every level.
NUMBERS: dict[str, Pair] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "clone": (56, 220),
    "clone3": (435, 435),
    "create_module": (174, None),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioctl": (16, 29),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "lsm_set_self_attr": (460, 460),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "msgctl": (71, 187),
    "msgget": (68, 186),
    "msgrcv": (70, 188),
    "msgsnd": (69, 189),
    "name_to_handle_at": (303, 264),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "semctl": (66, 191),
    "semget": (64, 190),
    "semop": (65, 193),
    "semtimedop": (220, 192),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "shmget": (29, 194),
    "socket": (41, 198),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}
# Not refused outright: it depends on an argument.
BY_ARGUMENT = ("clone", "clone3", "ioctl", "socket")
# Calls that reach any process by its number, which stands in the argument named last. Without a
# process table of its own, a process may reach only itself.
BY_PID: dict[str, tuple[int, int, int]] = {
    "kill": (62, 129, 0),
    "migrate_pages": (256, 238, 0),
    "pidfd_open": (434, 434, 0),
    "prlimit64": (302, 261, 0),
    "rt_sigqueueinfo": (129, 138, 0),
    "rt_tgsigqueueinfo": (297, 240, 0),
    "sched_setaffinity": (203, 122, 0),
    "sched_setattr": (314, 274, 0),
    "sched_setparam": (142, 118, 0),
    "sched_setscheduler": (144, 119, 0),
    "tgkill": (234, 131, 0),
    "tkill": (200, 130, 0),
}
# The others of these only schedule. Libraries name their threads in them and give up on an error:
# these calls seem to succeed, and do nothing.
REACHING = (
    *("kill", "migrate_pages", "pidfd_open", "prlimit64", "rt_sigqueueinfo"),
    *("rt_tgsigqueueinfo", "tgkill", "tkill"),
)
# Landlock knows nothing of the modes, owners, times and attributes of files, and a user's priority
# is that of all its processes, the grader's too. Without namespaces these calls seem to succeed,
# and do nothing: libraries make them on the way, and give up on an error.
PRETENDED: dict[str, Pair] = {
    "chmod": (90, None),
    "chown": (92, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "fremovexattr": (199, 16),
    "fsetxattr": (190, 7),
    "futimesat": (261, None),
    "ioprio_set": (251, 30),
    "lchown": (94, None),
    "lremovexattr": (198, 15),
    "lsetxattr": (189, 6),
    "removexattr": (197, 14),
    "setpriority": (141, 140),
    "setxattr": (188, 5),
    "utime": (132, None),
    "utimensat": (280, 88),
    "utimes": (235, None),
}
# Looked at, or refused, only without namespaces.
WITHOUT_NAMESPACES: dict[str, Pair] = {
    "fcntl": (72, 25),
    "open": (2, None),
    "openat": (257, 56),
    "openat2": (437, 437),
    "pidfd_send_signal": (424, 424),  # a socket tells its peer's descriptor, which is the grader's
    "socketpair": (53, 199),
    "truncate": (76, 45),
}
