ARGUMENTS: int

def probe() -> bool: ...
def spawn(
    paths: tuple[bytes, ...],
    argv: tuple[bytes, ...],
    environment: tuple[bytes, ...],
    working_dir: bytes,
    descriptors: tuple[tuple[int, int], ...],
    uid: int,
    gid: int,
    groups: tuple[int, ...],
    umask: int,
    limits: tuple[tuple[int, int, int], ...],
    oom_score_adj: bytes | None,
    no_new_privileges: bool,
    cgroup_fd: int,
    v1_procs: tuple[bytes, ...],
    nice_and_ionice: tuple[int, int],
    cpus: bytes,
    dropped: int,
    added: int,
    deadline_ms: int,
    /,
) -> tuple[int, int, str | None, int, int]: ...
def prctl(option: int, value: int, /) -> None: ...
def look(pidfd: int, /) -> tuple[int, float, int] | None: ...
def signal_descriptor(signum: int, /) -> int: ...
def clock_descriptor() -> int: ...
