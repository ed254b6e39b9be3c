"""Student code in a sandbox of system calls: namespaces, Landlock, seccomp, limits, a warden."""
