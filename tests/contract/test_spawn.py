"""The contract of the spawner, for both implementations: what a child is born with, what a failure leaves."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from amonsup.supervisor.adapters import spawn as spawner
from amonsup.supervisor.adapters import spawn_python
from amonsup.supervisor.adapters.spawn import Birth, Born, SpawnFailure, candidates

if TYPE_CHECKING:
    from conftest import Child, Nursery

CAT = os.path.realpath("/bin/cat")

NOBODY = 65534
needs_root = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]
InAProcess = Callable[..., bytes]


def as_root(test: Callable[..., None]) -> Callable[..., None]:
    for mark in needs_root:
        test = mark(test)
    return test


def script(path: Path, text: str, mode: int = 0o755) -> str:
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def may_raise_limits() -> bool:
    lines = Path("/proc/self/status").read_text().splitlines()
    effective = next(line for line in lines if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> 24 & 1)


# ------------------------------------------------------------------ who and how


def test_a_child_runs_and_its_end_is_ours_to_read(nursery: Nursery) -> None:
    assert nursery.start("/bin/sh", "-c", "exit 7").wait() == 7


def test_pid_and_pidfd_are_of_the_same_child_and_the_pidfd_is_not_inherited(nursery: Nursery) -> None:
    child = nursery.cat()
    fields = dict(line.split(":\t") for line in Path(f"/proc/self/fdinfo/{child.pidfd}").read_text().splitlines())
    assert int(fields["Pid"]) == child.pid
    assert int(child.status("PPid")) == os.getpid()
    assert not os.get_inheritable(child.pidfd)


def test_spawn_returns_when_the_program_is_there(nursery: Nursery) -> None:
    for _ in range(20):
        child = nursery.start()
        assert os.readlink(child.proc / "exe") == CAT


def test_arguments_arrive_as_given(nursery: Nursery) -> None:
    argv = ("/bin/sh", "-c", "echo here; read x", "", "ä €", "\udcff\n", "=")
    child = nursery.start(*argv)
    # The kernel lets us go once the old program is gone for good; the new one gets its arguments after that.
    assert os.read(child.stdout, 9) == b"here\n"
    assert (child.proc / "cmdline").read_bytes() == b"".join(os.fsencode(word) + b"\0" for word in argv)


@pytest.mark.parametrize(
    "environment",
    [
        (),
        (("A", ""), ("B", "1=2\n3"), ("C", "ä"), ("D", "\udcff\udc80")),
        (("A", "1"), ("A", "2")),
    ],
)
def test_the_environment_is_exactly_what_was_given(nursery: Nursery, environment: tuple[tuple[str, str], ...]) -> None:
    child = nursery.cat(environment=environment)
    expected = b"".join(os.fsencode(f"{name}={value}") + b"\0" for name, value in environment)
    assert (child.proc / "environ").read_bytes() == expected


def test_all_signals_have_their_defaults_and_none_is_blocked(nursery: Nursery) -> None:
    ours = {signal.SIGUSR1: signal.SIG_IGN, signal.SIGRTMAX: signal.SIG_IGN, signal.SIGUSR2: lambda *_: None}
    before = {number: signal.signal(number, way) for number, way in ours.items()}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGRTMIN})
    try:
        assert signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN, "Python's own, and part of the test"
        child = nursery.cat()
        for line in ("SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd"):
            assert int(child.status(line), 16) == 0, line
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, way in before.items():
            signal.signal(number, way)


def test_a_session_of_its_own_without_a_terminal(nursery: Nursery) -> None:
    child = nursery.cat()
    assert os.getsid(child.pid) == child.pid
    assert os.getpgid(child.pid) == child.pid
    assert (child.proc / "stat").read_text().rpartition(")")[2].split()[4] == "0"


def test_the_parents_death_does_not_kill_it(nursery: Nursery, in_a_process: InAProcess) -> None:
    code = """
import ctypes
ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG of the parent must not be passed on
stdin, stdout, kind = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
born = spawner.spawn_by(kind, Birth((sys.argv[4],), (), "", stdin, stdout, stdout))
print(born.pid)
"""
    stdin, our_stdin = os.pipe()
    our_stdout, stdout = os.pipe()
    try:
        in_a_process(code, str(stdin), str(stdout), nursery.kind, CAT, pass_fds=(stdin, stdout))
        os.close(stdin)
        os.close(stdout)
        os.write(our_stdin, b"alive?")
        assert os.read(our_stdout, 99) == b"alive?"
    finally:
        os.close(our_stdin)  # the end of its input is its end; who reaps it is its new parent's affair
        assert os.read(our_stdout, 99) == b""
        os.close(our_stdout)


# ------------------------------------------------------------------ descriptors


@pytest.fixture
def files(tmp_path: Path) -> Iterator[list[int]]:
    """Eight descriptors of files that can be told apart."""
    opened = [os.open(tmp_path / str(number), os.O_RDWR | os.O_CREAT) for number in range(8)]
    yield opened
    for fd in opened:
        os.close(fd)


def name_of(fd: int) -> str:
    return os.readlink(f"/proc/self/fd/{fd}")


def test_nothing_is_inherited_but_the_three(nursery: Nursery, files: list[int]) -> None:
    for fd in files:
        os.set_inheritable(fd, True)
    high = files[0] + 500
    os.dup2(files[0], high)
    try:
        assert set(nursery.cat().descriptors()) == {0, 1, 2}
    finally:
        os.close(high)


def test_the_three_are_what_was_given(nursery: Nursery, files: list[int]) -> None:
    child = nursery.start("/bin/sleep", "60", stdin_fd=files[0], stdout_fd=files[1], stderr_fd=files[2])
    found = child.descriptors()
    assert [found[number] for number in range(3)] == [name_of(fd) for fd in files[:3]]


def test_inherited_ones_have_the_childs_numbers(nursery: Nursery, files: list[int]) -> None:
    for fd in files:
        os.set_inheritable(fd, True)  # so that those between the wanted numbers would stay
    wanted = {700: files[0], 3: files[1], 5: files[2], 41: files[0]}
    child = nursery.cat(inherited=tuple((ours, theirs) for theirs, ours in wanted.items()))
    found = child.descriptors()
    assert set(found) == {0, 1, 2, *wanted}
    assert {number: found[number] for number in wanted} == {n: name_of(fd) for n, fd in wanted.items()}


def test_overlapping_numbers_are_exchanged(nursery: Nursery, files: list[int]) -> None:
    wanted = dict(zip(files, [*files[1:], files[0]], strict=True))  # a ring
    child = nursery.cat(inherited=tuple((ours, theirs) for theirs, ours in wanted.items()))
    found = child.descriptors()
    assert {n: found[n] for n in wanted} == {n: name_of(fd) for n, fd in wanted.items()}


def test_a_descriptor_can_keep_its_number_although_it_is_close_on_exec(nursery: Nursery, files: list[int]) -> None:
    assert not os.get_inheritable(files[0])
    child = nursery.cat(inherited=((files[0], files[0]),))
    assert child.descriptors()[files[0]] == name_of(files[0])


def test_the_childs_numbers_may_be_those_of_the_spawners_own_descriptors(nursery: Nursery, files: list[int]) -> None:
    last = max(files)
    inherited = tuple((files[0], number) for number in range(3, last + 30))
    child = nursery.cat(inherited=inherited)
    assert [child.descriptors()[n] for _, n in inherited] == [name_of(files[0])] * len(inherited)
    failure = nursery.failure("/no/such", inherited=inherited)
    assert (failure.stage, failure.errno) == ("exec", errno.ENOENT)


def test_our_own_three_can_be_given_in_any_order(nursery: Nursery, in_a_process: InAProcess, tmp_path: Path) -> None:
    code = """
names = [os.open(os.path.join(sys.argv[1], n), os.O_RDWR | os.O_CREAT) for n in "abc"]
keep = os.dup(1)
for number, fd in enumerate(names):
    os.dup2(fd, number)
answers = []
for order in [(0, 1, 2), (2, 0, 1), (1, 2, 0), (1, 1, 0)]:
    born = spawner.spawn_by(sys.argv[2], Birth(("/bin/sleep", "60"), (), "", *order))
    found = [os.path.basename(os.readlink(f"/proc/{born.pid}/fd/{n}")) for n in range(3)]
    signal.pidfd_send_signal(born.pidfd, signal.SIGKILL)
    os.waitid(os.P_PIDFD, born.pidfd, os.WEXITED)
    answers.append("".join(found))
os.write(keep, json.dumps(answers).encode())
"""
    assert json.loads(in_a_process(code, str(tmp_path), nursery.kind)) == ["abc", "cab", "bca", "bba"]


# ------------------------------------------------------------------ its surroundings


def test_umask(nursery: Nursery) -> None:
    assert nursery.cat(umask=0o027).status("Umask") == "0027"
    assert nursery.cat().status("Umask") == "0022"


def test_working_directory(nursery: Nursery, tmp_path: Path) -> None:
    assert os.readlink(nursery.cat(working_dir=str(tmp_path)).proc / "cwd") == str(tmp_path)
    assert os.readlink(nursery.cat().proc / "cwd") == "/"


def test_limits(nursery: Nursery) -> None:
    infinity = resource.RLIM_INFINITY
    limits = (
        (resource.RLIMIT_NOFILE, 5, 77),  # fewer than we have open: it is for the child's program
        (resource.RLIMIT_CORE, 0, infinity),
        (resource.RLIMIT_FSIZE, 2**40, 2**41),
    )
    child = nursery.cat(limits=limits, inherited=((nursery.null, 90),))
    assert child.limit("Max open files") == ["5", "77"]
    assert child.limit("Max core file size") == ["0", "unlimited"]
    assert child.limit("Max file size") == [str(2**40), str(2**41)]
    assert child.limit("Max processes") == [
        str(n) if n >= 0 else "unlimited" for n in resource.getrlimit(resource.RLIMIT_NPROC)
    ]


def test_oom_score(nursery: Nursery) -> None:
    ours = Path("/proc/self/oom_score_adj").read_text()
    assert (nursery.cat(oom_score_adj=357).proc / "oom_score_adj").read_text() == "357\n"
    assert (nursery.cat().proc / "oom_score_adj").read_text() == ours
    assert Path("/proc/self/oom_score_adj").read_text() == ours, "the child's is not ours"


def test_no_new_privileges(nursery: Nursery) -> None:
    assert nursery.cat(no_new_privileges=True).status("NoNewPrivs") == "1"
    assert nursery.cat().status("NoNewPrivs") == "0"


def test_without_a_user_it_stays_who_we_are(nursery: Nursery) -> None:
    child = nursery.cat(gid=12345, groups=(23456,))
    for line in ("Uid", "Gid", "Groups"):
        ours = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(f"{line}:"))
        assert child.status(line) == ours.partition(":")[2].strip()


@as_root
@pytest.mark.parametrize("groups", [(), (4, 70000), (2**32 - 2,)])
def test_user_group_and_exactly_the_supplementary_groups(nursery: Nursery, groups: tuple[int, ...]) -> None:
    before = os.getgroups()
    os.setgroups([0, 6])  # what the child must not keep
    try:
        child = nursery.cat(uid=NOBODY, gid=2**32 - 2, groups=groups)
    finally:
        os.setgroups(before)
    assert child.status("Uid").split() == [str(NOBODY)] * 4
    assert child.status("Gid").split() == [str(2**32 - 2)] * 4
    assert child.status("Groups").split() == [str(group) for group in groups]
    assert int(child.status("CapEff"), 16) == 0


@as_root
def test_the_oom_score_is_set_before_the_user_is(nursery: Nursery) -> None:
    child = nursery.cat(uid=NOBODY, gid=NOBODY, oom_score_adj=10)
    assert (child.proc / "oom_score_adj").read_text() == "10\n"


@as_root
@pytest.mark.skipif(not may_raise_limits(), reason="needs CAP_SYS_RESOURCE")
def test_limits_and_oom_score_are_raised_while_it_still_may(nursery: Nursery) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limits = ((resource.RLIMIT_NOFILE, hard + 1, hard + 1),)
    child = nursery.cat(uid=NOBODY, gid=NOBODY, limits=limits, oom_score_adj=-10)
    assert child.limit("Max open files") == [str(hard + 1)] * 2
    assert (child.proc / "oom_score_adj").read_text() == "-10\n"


@as_root
def test_the_working_directory_is_entered_as_the_user(nursery: Nursery, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert nursery.cat(working_dir=str(tmp_path))
    failure = nursery.failure(working_dir=str(tmp_path), uid=NOBODY, gid=NOBODY)
    assert (failure.stage, failure.errno) == ("working_dir", errno.EACCES)


@as_root
def test_born_in_its_cgroup(nursery: Nursery, new_cgroup: Callable[..., Path]) -> None:
    place = new_cgroup()
    fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        child = nursery.cat(cgroup_fd=fd, uid=NOBODY, gid=NOBODY)
    finally:
        os.close(fd)
    assert f"0::/{place.name}" in (child.proc / "cgroup").read_text().splitlines()
    assert (place / "cgroup.procs").read_text() == f"{child.pid}\n"
    assert f"0::/{place.name}" not in Path("/proc/self/cgroup").read_text().splitlines()


@as_root
def test_moves_into_the_cgroups_of_v1(nursery: Nursery, new_cgroup: Callable[..., Path]) -> None:
    places = [new_cgroup("pids"), new_cgroup("freezer")]
    procs = (str(places[0] / "cgroup.procs"), str(places[1] / "tasks"))
    child = nursery.cat(v1_procs=procs, uid=NOBODY, gid=NOBODY)
    found = (child.proc / "cgroup").read_text()
    assert f":pids:/{places[0].name}\n" in found
    assert f":freezer:/{places[1].name}\n" in found
    assert set(child.descriptors()) == {0, 1, 2}
    assert places[0].name not in Path("/proc/self/cgroup").read_text()


# ------------------------------------------------------------------ which program


def test_a_name_is_searched_in_the_childs_path(nursery: Nursery, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    script(first / "tool", "#!/bin/sh\necho wrong", 0o644)
    script(second / "tool", "#!/bin/sh\necho right")
    path = f"{tmp_path}/none:/etc/passwd:{first}:{second}"
    assert nursery.says("tool", environment=(("PATH", path),)) == b"right\n"


def test_a_refused_candidate_is_remembered(nursery: Nursery, tmp_path: Path) -> None:
    script(tmp_path / "tool", "#!/bin/sh\n", 0o644)
    failure = nursery.failure("tool", environment=(("PATH", f"{tmp_path}:/nonexistent"),))
    assert (failure.stage, failure.errno, failure.subject) == ("exec", errno.EACCES, f"{tmp_path}/tool")


def test_other_errors_end_the_search(nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    failure = nursery.failure("cat", environment=(("PATH", f"{tmp_path}/loop:/bin"),))
    assert (failure.stage, failure.errno) == ("exec", errno.ELOOP)


def test_our_path_is_not_the_childs(nursery: Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path / "tool", "#!/bin/sh\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert nursery.failure("tool").errno == errno.ENOENT
    assert nursery.failure("tool", environment=(("PATH", "/bin"),)).errno == errno.ENOENT
    assert nursery.says("echo", "hello") == b"hello\n", "without PATH: /bin and /usr/bin"


def test_the_working_directory_is_searched_only_if_path_says_so(nursery: Nursery, tmp_path: Path) -> None:
    script(tmp_path / "tool", "#!/bin/sh\necho here")
    here = {"working_dir": str(tmp_path)}
    assert nursery.says("tool", environment=(("PATH", "/bin:"),), **here) == b"here\n"
    assert nursery.says("./tool", **here) == b"here\n"
    assert nursery.failure("tool", environment=(("PATH", "/bin"),), **here).errno == errno.ENOENT


def test_candidates() -> None:
    assert candidates("/x/y", "/bin") == ("/x/y",)
    assert candidates("x/y", "/bin") == ("x/y",)
    assert candidates("y", "/a:/b") == ("/a/y", "/b/y")
    assert candidates("y", ":/b:") == ("y", "/b/y", "y")
    assert candidates("y", "") == ("y",)
    assert candidates("y", None) == ("/bin/y", "/usr/bin/y")
    assert candidates("", "/bin") == ()


# ------------------------------------------------------------------ failures


class Place:
    """A directory with everything that cannot be executed, entered or used as a descriptor."""

    def __init__(self, directory: Path) -> None:
        self.directory = str(directory)
        self.file = script(directory / "file", "text", 0o644)
        self.no_shebang = script(directory / "no_shebang", "echo text\n")
        self.no_interpreter = script(directory / "no_interpreter", "#!/no/such/interpreter\n")
        self.regular_fd = os.open(self.file, os.O_RDONLY | os.O_CLOEXEC)
        self.directory_fd = os.open(self.directory, os.O_RDONLY | os.O_CLOEXEC)
        # The very numbers that the next opens take, the spawner's own included.
        self.closed = [os.dup(self.regular_fd) for _ in range(3)]
        for fd in self.closed:
            os.close(fd)
        self.closed_fd = self.closed[0]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    os.close(place.regular_fd)
    os.close(place.directory_fd)


INFINITY = resource.RLIM_INFINITY
Case = tuple[str, int, Callable[[Place], dict[str, object]]]
FAILURES: dict[str, Case] = {
    "no such program": ("exec", errno.ENOENT, lambda p: {"argv": ("/no/such/program",)}),
    "no such program in PATH": ("exec", errno.ENOENT, lambda p: {"argv": ("no-such-program",)}),
    "no name": ("exec", errno.ENOENT, lambda p: {"argv": ("",)}),
    "a file in the way": ("exec", errno.ENOTDIR, lambda p: {"argv": (f"{p.file}/program",)}),
    "not executable": ("exec", errno.EACCES, lambda p: {"argv": (p.file,)}),
    "a directory": ("exec", errno.EACCES, lambda p: {"argv": (p.directory,)}),
    "no shebang": ("exec", errno.ENOEXEC, lambda p: {"argv": (p.no_shebang,)}),
    "no interpreter": ("exec", errno.ENOENT, lambda p: {"argv": (p.no_interpreter,)}),
    "a long name": ("exec", errno.ENAMETOOLONG, lambda p: {"argv": ("/" + "x" * 300,)}),
    "a long argument": ("exec", errno.E2BIG, lambda p: {"argv": (CAT, "x" * 200_000)}),
    "no such directory": ("working_dir", errno.ENOENT, lambda p: {"working_dir": f"{p.directory}/none"}),
    "a file as directory": ("working_dir", errno.ENOTDIR, lambda p: {"working_dir": p.file}),
    "stdin is closed": ("descriptors", errno.EBADF, lambda p: {"stdin_fd": p.closed_fd}),
    "stdin is -1": ("descriptors", errno.EBADF, lambda p: {"stdin_fd": -1}),
    "stderr is closed": ("descriptors", errno.EBADF, lambda p: {"stderr_fd": p.closed_fd}),
    "an inherited one is closed": ("descriptors", errno.EBADF, lambda p: {"inherited": ((p.closed_fd, 3),)}),
    "a high one is closed": ("descriptors", errno.EBADF, lambda p: {"inherited": ((9999, 3),)}),
    "the next closed number": ("descriptors", errno.EBADF, lambda p: {"stdin_fd": p.closed[1]}),
    "the closed number after that": ("descriptors", errno.EBADF, lambda p: {"stdin_fd": p.closed[2]}),
    "a copy takes a closed number": (
        "descriptors",
        errno.EBADF,
        lambda p: {"stdin_fd": 0, "stdout_fd": 0, "stderr_fd": p.closed_fd},
    ),
    "a number beyond the limit": ("descriptors", errno.EINVAL, lambda p: {"inherited": ((0, 2**30),)}),
    "cgroup is closed": ("cgroup", errno.EBADF, lambda p: {"cgroup_fd": p.closed_fd}),
    "cgroup is a file": ("cgroup", errno.EBADF, lambda p: {"cgroup_fd": p.regular_fd}),
    "cgroup is a plain directory": ("cgroup", errno.EBADF, lambda p: {"cgroup_fd": p.directory_fd}),
    "no such cgroup of v1": ("cgroup", errno.ENOENT, lambda p: {"v1_procs": (f"{p.directory}/none/tasks",)}),
    "soft above hard": ("limits", errno.EINVAL, lambda p: {"limits": ((resource.RLIMIT_NOFILE, 20, 10),)}),
    "infinity above hard": (
        "limits",
        errno.EINVAL,
        lambda p: {"limits": ((resource.RLIMIT_CORE, INFINITY, 10),)},
    ),
    "no such limit": ("limits", errno.EINVAL, lambda p: {"limits": ((99, 1, 1),)}),
    "no such oom score": ("oom_score_adj", errno.EINVAL, lambda p: {"oom_score_adj": 1001}),
    "no such input/output class": ("ionice", errno.EINVAL, lambda p: {"ionice": 7 << 13}),
    "no such processor": ("cpuset", errno.EINVAL, lambda p: {"cpus": frozenset({8191})}),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failures_name_the_stage_and_the_error(nursery: Nursery, place: Place, name: str) -> None:
    stage, number, change = FAILURES[name]
    failure = nursery.failure(**change(place))
    assert (failure.stage, failure.errno) == (stage, number)
    assert failure.stage in spawn_python.STAGES


def test_failures_in_words(nursery: Nursery, place: Place) -> None:
    def text(**change: object) -> str:
        return nursery.failure(**change).text

    assert text(argv=("/x/y",)) == "exec: No such file or directory: /x/y"
    assert text(argv=("y",)) == "exec: No such file or directory: y"
    assert text(working_dir="/x") == "working_dir: No such file or directory: /x"
    limits = ((resource.RLIMIT_CORE, 0, 0), (resource.RLIMIT_NOFILE, 2, 1))
    assert text(limits=limits) == "limits: Invalid argument: RLIMIT_NOFILE"
    assert text(inherited=((9999, 7),)) == "descriptors: Bad file descriptor: 9999 as 7"
    assert text(cpus=frozenset({8000, 8191})) == "cpuset: Invalid argument: 8000,8191"
    assert text(v1_procs=("/x/tasks",)) == "cgroup: No such file or directory: /x/tasks"
    assert text(cgroup_fd=place.regular_fd) == "cgroup: Bad file descriptor"


@as_root
def test_a_cgroup_that_was_removed(nursery: Nursery, new_cgroup: Callable[..., Path]) -> None:
    path = new_cgroup()
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    path.rmdir()
    try:
        failure = nursery.failure(cgroup_fd=fd)
    finally:
        os.close(fd)
    assert (failure.stage, failure.errno) == ("cgroup", errno.ENOENT)


@as_root
def test_a_cgroup_of_v1_is_none_to_be_born_in(nursery: Nursery, new_cgroup: Callable[..., Path]) -> None:
    fd = os.open(new_cgroup("pids"), os.O_RDONLY | os.O_DIRECTORY)
    try:
        failure = nursery.failure(cgroup_fd=fd)
    finally:
        os.close(fd)
    assert (failure.stage, failure.errno) == ("cgroup", errno.EBADF)


@as_root
def test_a_frozen_cgroup_is_refused_rather_than_waited_for(nursery: Nursery, new_cgroup: Callable[..., Path]) -> None:
    outer = new_cgroup()
    inner = outer / "inner"
    inner.mkdir()
    fd = os.open(inner, os.O_RDONLY | os.O_DIRECTORY)
    (outer / "cgroup.freeze").write_text("1")
    try:
        failure = nursery.failure(cgroup_fd=fd)
        assert failure.text == "cgroup: Device or resource busy: frozen"
    finally:
        (outer / "cgroup.freeze").write_text("0")
        os.close(fd)
        inner.rmdir()


@as_root
def test_a_user_who_has_all_the_processes_he_may_have(nursery: Nursery) -> None:
    nursery.cat(uid=NOBODY, gid=NOBODY)  # the kernel counts before it adds the new one
    failure = nursery.failure(uid=NOBODY, gid=NOBODY, limits=((resource.RLIMIT_NPROC, 0, 0),))
    assert (failure.stage, failure.errno) == ("exec", errno.EAGAIN)


@as_root
@pytest.mark.parametrize(
    ("change", "stage", "number"),
    [
        ("limits=((resource.RLIMIT_NOFILE, 10, 1 << 30),)", "limits", errno.EPERM),
        ("oom_score_adj=-500", "oom_score_adj", errno.EACCES),
        ("nice=-5", "nice", errno.EACCES),
        ("ionice=1 << 13", "ionice", errno.EPERM),
        ("cap_drop=1 << 10", "capabilities", errno.EPERM),
        ("cap_add=1 << 10", "capabilities", errno.EPERM),
        ("uid=1, gid=1", "groups", errno.EPERM),
        ("cgroup_fd=os.open(sys.argv[2], os.O_RDONLY)", "cgroup", errno.EACCES),
        ("v1_procs=(sys.argv[2] + '/cgroup.procs',)", "cgroup", errno.EACCES),
    ],
)
def test_what_a_plain_user_may_not(
    nursery: Nursery,
    in_a_process: InAProcess,
    new_cgroup: Callable[..., Path],
    change: str,
    stage: str,
    number: int,
) -> None:
    code = f"""
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
failure = spawner.spawn_by(sys.argv[1], Birth(("/bin/cat",), (), "", 0, 1, 2, {change}))
print(json.dumps([failure.stage, failure.errno]))
"""
    answer = json.loads(in_a_process(code, nursery.kind, str(new_cgroup())))
    assert answer == [stage, number]


# ------------------------------------------------------------------ scheduling and capabilities

BIND, CHOWN, SETPCAP = 10, 0, 8  # linux/capability.h


def capabilities(child: Child) -> dict[str, int]:
    return {name: int(child.status(f"Cap{name}"), 16) for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")}


def ours(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"Cap{name}:")).split()[1], 16)


def ionice_of(pid: int) -> int:
    return int(ctypes.CDLL(None).syscall({"x86_64": 252, "aarch64": 31}[os.uname().machine], 1, pid))


def test_nice_ionice_and_processors(nursery: Nursery) -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0), ionice_of(0), os.sched_getaffinity(0)
    last = max(before[2])
    child = nursery.cat(nice=15, ionice=3 << 13, cpus=frozenset({last}))
    assert os.getpriority(os.PRIO_PROCESS, child.pid) == 15
    assert ionice_of(child.pid) == 3 << 13
    assert os.sched_getaffinity(child.pid) == {last}
    assert (os.getpriority(os.PRIO_PROCESS, 0), ionice_of(0), os.sched_getaffinity(0)) == before
    assert ionice_of(nursery.cat(ionice=2 << 13 | 7).pid) == 2 << 13 | 7


def test_without_a_word_they_are_ours(nursery: Nursery) -> None:
    child = nursery.cat()
    assert os.getpriority(os.PRIO_PROCESS, child.pid) == os.getpriority(os.PRIO_PROCESS, 0)
    assert os.sched_getaffinity(child.pid) == os.sched_getaffinity(0)
    assert capabilities(child)["Bnd"] == ours("Bnd")


def test_everything_but_some_of_many_processors(nursery: Nursery) -> None:
    child = nursery.cat(cpus=frozenset({*os.sched_getaffinity(0), 64, 700}))  # those that are there count
    assert os.sched_getaffinity(child.pid) == os.sched_getaffinity(0)


@as_root
def test_root_has_what_its_bounding_set_holds(nursery: Nursery) -> None:
    child = nursery.cat(cap_drop=1 << CHOWN | 1 << 63)
    left = ours("Bnd") & ~(1 << CHOWN)
    assert capabilities(child) == {"Inh": 0, "Prm": left, "Eff": left, "Bnd": left, "Amb": 0}
    child = nursery.cat(cap_drop=(1 << 64) - 1 & ~(1 << BIND), cap_add=1 << BIND)
    only = 1 << BIND
    assert capabilities(child) == {"Inh": 0, "Prm": only, "Eff": only, "Bnd": only, "Amb": 0}


@as_root
@pytest.mark.parametrize("no_new_privileges", [False, True])
def test_a_user_gets_what_is_added_and_keeps_it_over_exec(nursery: Nursery, no_new_privileges: bool) -> None:
    added = 1 << BIND | 1 << 38  # one in each half
    child = nursery.start(
        "/bin/sh",
        "-c",
        "exec cat",
        uid=NOBODY,
        gid=NOBODY,
        environment=(("PATH", "/bin"),),
        cap_drop=(1 << 64) - 1 & ~added,
        cap_add=added,
        no_new_privileges=no_new_privileges,
    )
    os.write(child.stdin, b"x")
    assert os.read(child.stdout, 9) == b"x"
    assert capabilities(child) == dict.fromkeys(("Inh", "Prm", "Eff", "Bnd", "Amb"), added)
    assert child.status("Uid").split() == [str(NOBODY)] * 4


@as_root
def test_a_user_has_none_of_its_own(nursery: Nursery) -> None:
    child = nursery.cat(uid=NOBODY, gid=NOBODY, cap_drop=(1 << 64) - 1)
    assert capabilities(child) == dict.fromkeys(("Inh", "Prm", "Eff", "Bnd", "Amb"), 0)
    child = nursery.cat(uid=NOBODY, gid=NOBODY, cap_add=1 << BIND)
    assert capabilities(child)["Bnd"] == ours("Bnd")
    assert capabilities(child)["Eff"] == 1 << BIND


@as_root
def test_what_we_have_not_cannot_be_added(nursery: Nursery) -> None:
    failure = nursery.failure(uid=NOBODY, gid=NOBODY, cap_add=1 << BIND | 1 << 60)
    assert (failure.stage, failure.errno, failure.subject) == ("capabilities", errno.EPERM, "60")


@as_root
def test_nothing_inheritable_gives_back_what_was_dropped(nursery: Nursery, in_a_process: InAProcess) -> None:
    code = """
import ctypes
libc = ctypes.CDLL(None)
header = (ctypes.c_uint32 * 2)(0x20080522, 0)
data = (ctypes.c_uint32 * 6)()
assert libc.capget(header, data) == 0
data[2] = 1 | 1 << 10  # CAP_CHOWN, CAP_NET_BIND_SERVICE
assert libc.capset(header, data) == 0
assert libc.prctl(47, 2, 0, 0, 0) == 0
reader, writer = os.pipe()
born = spawner.spawn_by(sys.argv[1], Birth(("/bin/grep", "Cap", "/proc/self/status"), (), "", 0, writer, 2, cap_drop=1))
os.close(writer)
print(os.read(reader, 9999).decode())
"""
    lines = in_a_process(code, nursery.kind).decode().split("\n")
    found = {line.split(":")[0]: int(line.split(":")[1], 16) for line in lines if line}
    assert found["CapInh"] == 1 << BIND
    assert not found["CapPrm"] & 1
    assert not found["CapAmb"] & 1


# ------------------------------------------------------------------ what is left

REMAINS = """
def remains():
    children = open(f"/proc/self/task/{os.getpid()}/children").read().split()
    return [len(os.listdir("/proc/self/fd")), len(children)]
"""


MANY = 500 if os.environ.get("AMONSUP_SOAK") else 60

FIRST_OF_STAGE = {stage: name for name, (stage, _, _) in reversed(FAILURES.items())}


@pytest.mark.parametrize("name", ["", *FAILURES])
def test_nothing_is_left_of_many(nursery: Nursery, place: Place, name: str) -> None:
    def remains() -> tuple[int, set[str]]:
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        return len(os.listdir("/proc/self/fd")), set(children)

    before = remains()
    many = MANY if not name or name in FIRST_OF_STAGE.values() else 20
    for _ in range(many):
        if name:
            nursery.failure(**FAILURES[name][2](place))
        else:
            born = spawner.spawn_by(nursery.kind, nursery.birth("/bin/true"))
            assert isinstance(born, Born)
            os.waitid(os.P_PIDFD, born.pidfd, os.WEXITED)
            os.close(born.pidfd)
    assert remains() == before


@pytest.mark.parametrize("free", [0, 1, 2, 3, 4])
def test_without_room_for_descriptors_there_is_a_failure_and_no_child(
    nursery: Nursery, in_a_process: InAProcess, free: int
) -> None:
    # Every answer is good that leaves nothing behind; without any room it is 'clone: Too many open files'.
    code = (
        REMAINS
        + """
kind, free = sys.argv[1], int(sys.argv[2])
before = remains()
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
held = []
while True:
    try:
        held.append(os.dup(0))
    except OSError:
        break
for _ in range(free):
    os.close(held.pop())
answers = set()
for _ in range(200):
    answer = spawner.spawn_by(kind, Birth(("/bin/true",), (), "", 0, 1, 2))
    if isinstance(answer, Born):
        os.waitid(os.P_PIDFD, answer.pidfd, os.WEXITED)
        os.close(answer.pidfd)
        answers.add("born")
    else:
        answers.add(f"{answer.stage} {errno.errorcode[answer.errno]}")
for fd in held:
    os.close(fd)
print(json.dumps([sorted(answers), remains() == before]))
"""
    )
    answers, is_clean = json.loads(in_a_process(code, nursery.kind, str(free)))
    assert is_clean
    if free == 0:
        assert answers == ["clone EMFILE"]
    else:
        assert answers in (["clone EMFILE"], ["descriptors EMFILE"], ["born"])
    if free == 4:
        assert answers == ["born"]


@as_root
def test_a_fork_that_fails_is_a_value(nursery: Nursery, in_a_process: InAProcess) -> None:
    code = (
        REMAINS
        + f"""
before = remains()
os.setgroups([]); os.setgid({NOBODY})
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
os.setuid({NOBODY})
answers = set()
for _ in range(200):
    answer = spawner.spawn_by(sys.argv[1], Birth(("/bin/true",), (), "", 0, 1, 2))
    answers.add((answer.stage, answer.errno))
print(json.dumps([sorted(answers), remains() == before]))
"""
    )
    assert json.loads(in_a_process(code, nursery.kind)) == [[["clone", errno.EAGAIN]], True]


def test_a_child_that_never_gets_to_exec_is_ended(
    nursery: Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spawner, "DEADLINE_S", 0.05)
    fifo = tmp_path / "tasks"
    os.mkfifo(fifo)  # to open it for writing waits for a reader
    before = len(os.listdir("/proc/self/fd"))
    failure = nursery.failure(v1_procs=(str(fifo),))
    assert (failure.stage, failure.errno) == ("cgroup", errno.ETIMEDOUT)
    assert len(os.listdir("/proc/self/fd")) == before
    assert Path(f"/proc/self/task/{os.getpid()}/children").read_text().split() == []


def test_the_deadline_ends_with_exec(nursery: Nursery, monkeypatch: pytest.MonkeyPatch) -> None:
    child = nursery.cat()
    assert (child.proc / "timers").read_text() == ""


def test_with_sigchld_ignored_there_is_nothing_to_reap(nursery: Nursery) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert nursery.failure("/no/such").errno == errno.ENOENT
        assert nursery.cat()
    finally:
        signal.signal(signal.SIGCHLD, before)


CHANGES = {
    "VmPeak", "VmSize", "VmHWM", "VmRSS", "RssAnon", "RssFile", "RssShmem", "VmData", "VmStk", "VmPTE",
    "VmLib", "VmExe", "FDSize", "SigQ", "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches",
}  # fmt: skip


@pytest.mark.parametrize("program", [CAT, "/no/such"])
def test_we_are_afterwards_what_we_were(
    nursery: Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    def ourselves() -> dict[str, object]:
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return {name: value for name, value in status.items() if name not in CHANGES} | {
            "handlers": [signal.getsignal(number) for number in signal.valid_signals()],
            "limits": Path("/proc/self/limits").read_text(),
            "oom": Path("/proc/self/oom_score_adj").read_text(),
            "cwd": os.getcwd(),
            "cgroup": Path("/proc/self/cgroup").read_text(),
            "nice": (os.getpriority(os.PRIO_PROCESS, 0), ionice_of(0)),
            "session": (os.getsid(0), os.getpgid(0)),
            "dumpable": libc.prctl(3, 0, 0, 0, 0),
            "environment": dict(os.environ),
            "timers": Path("/proc/self/timers").read_text(),
        }

    monkeypatch.chdir(tmp_path)
    libc = ctypes.CDLL(None)
    libc.prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: also if a test before has spoilt it
    rest: dict[str, object] = {
        "umask": 0o777,
        "limits": ((resource.RLIMIT_CORE, 0, 0), (resource.RLIMIT_NOFILE, 50, 50)),
        "oom_score_adj": 900,
        "no_new_privileges": True,
        "nice": 19,
        "ionice": 3 << 13,
        "cpus": frozenset({min(os.sched_getaffinity(0))}),
    }
    if os.geteuid() == 0:
        rest |= {"uid": NOBODY, "gid": NOBODY, "groups": (5,), "cap_drop": 1 << CHOWN, "cap_add": 1 << BIND}
    mask = signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGUSR1})
    before = ourselves()
    try:
        answer = spawner.spawn_by(nursery.kind, nursery.birth(program, **rest))
        assert ourselves() == before
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if isinstance(answer, Born):
            os.waitid(os.P_PIDFD, answer.pidfd, os.WEXITED)
            os.close(answer.pidfd)
    assert isinstance(answer, Born) == (program == CAT)


# ------------------------------------------------------------------ the door itself


@pytest.mark.parametrize(
    "wrong",
    [
        {"argv": ()},
        {"argv": ("/bin/true", "a\0b")},
        {"environment": (("A", "a\0b"),)},
        {"working_dir": "/\0"},
        {"inherited": ((0, 2),)},
        {"inherited": ((0, 3), (1, 3))},
        {"uid": 2**32 - 1, "gid": 0},
        {"uid": -2},
        {"uid": 1},
        {"uid": 1, "gid": 1, "groups": (-1,)},
        {"cpus": frozenset({-1})},
        {"cpus": frozenset({8192})},
    ],
)
def test_what_the_caller_gets_wrong_is_an_exception(nursery: Nursery, wrong: dict[str, object]) -> None:
    birth = nursery.birth("/bin/true")
    for name, value in wrong.items():
        birth = Birth(**{field: getattr(birth, field) for field in birth.__struct_fields__} | {name: value})
    with pytest.raises(ValueError, match=r"."):
        spawner.spawn_by(nursery.kind, birth)


def test_c_is_preferred_and_named() -> None:
    assert ("c" if "c" in spawner.IMPLEMENTATIONS else "python") == spawner.KIND


def test_a_birth_that_could_be_traced_goes_to_python(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []

    def fake(kind: str) -> spawner.Implementation:
        def failing(*_: object) -> spawn_python.Outcome:
            called.append(kind)
            return -1, -1, "clone", errno.EAGAIN, -1

        return failing

    monkeypatch.setattr(spawner, "KIND", "c")
    monkeypatch.setattr(spawner, "IMPLEMENTATIONS", {kind: fake(kind) for kind in ("c", "python")})
    plain = Birth(("/bin/true",), (), "", 0, 1, 2)
    user = Birth(("/bin/true",), (), "", 0, 1, 2, uid=NOBODY, gid=NOBODY)
    for is_traceable in (False, True):
        monkeypatch.setattr(spawner, "_would_be_traceable", lambda answer=is_traceable: answer)
        assert spawner.spawn(plain) == SpawnFailure("clone", errno.EAGAIN)
        assert spawner.spawn(user) == SpawnFailure("clone", errno.EAGAIN)
    assert called == ["c", "c", "c", "python"]


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM])
def test_where_clone3_is_refused_python_does_it(in_a_process: InAProcess, number: int) -> None:
    # As older container engines do it: a filter (seccomp(2)) that itself answers clone3, 435 everywhere.
    code = """
import ctypes, struct
rules = [(0x20, 0, 0, 0), (0x15, 0, 1, 435)]  # load the number; is it clone3?
rules += [(0x06, 0, 0, 0x00050000 | int(sys.argv[1])), (0x06, 0, 0, 0x7FFF0000)]  # answer; let through
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
filter = ctypes.create_string_buffer(struct.pack("HP", len(rules), ctypes.addressof(program)))
libc = ctypes.CDLL(None)
libc.prctl(38, ctypes.c_ulong(1), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))
assert libc.prctl(22, ctypes.c_ulong(2), filter, ctypes.c_ulong(0), ctypes.c_ulong(0)) == 0
import importlib
importlib.reload(spawner)
born = spawner.spawn(spawner.Birth(("/bin/true",), (), "", 0, 1, 2))
end = os.waitid(os.P_PIDFD, born.pidfd, os.WEXITED)
print(json.dumps([spawner.KIND, sorted(spawner.IMPLEMENTATIONS), end.si_status]))
"""
    assert json.loads(in_a_process(code, str(number))) == ["python", ["python"], 0]
