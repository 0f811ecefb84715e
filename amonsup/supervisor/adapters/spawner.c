/* The spawner in C: one clone3(2) that bears a child in its cgroup, with a pidfd, in about a millisecond.
 *
 * Theory. fork(2) copies the page tables of the parent and then takes faults on both sides; what is wanted is
 * only a new process that arranges itself with a dozen system calls and then becomes another program.
 * CLONE_VM lends the child our memory and CLONE_VFORK stops us until it has exec'ed or died, so nothing is
 * copied, and a failure comes back as three ints in that same memory. The price is a set of rules for
 * everything that runs in the child here:
 *
 *   - no Python, no malloc, no stdio, no locks: it is *our* heap, half way through whatever we were doing;
 *   - no libc wrapper of a system call. errno is thread-local, hence ours; setuid(3) and its kin signal all
 *     threads of the process so that these change too (nptl(7)); and a first call of any libc function may
 *     run the dynamic linker. The system calls are therefore made by hand, below: an answer in -4095..-1 is a
 *     negative errno;
 *   - a stack of its own. On ours the child would overwrite the frame to which we return (vfork(2));
 *   - all signals blocked from before clone3 until the last moment: a handler of ours must never run there.
 *
 * A child that has already become the service's user can be stopped by any other process of that user: kill
 * -STOP -1 in a loop is enough, and we would wait in vfork for ever. The child therefore starts with a timer
 * that kills it (timer_create(2) delivers any signal, SIGKILL too, to a stopped process too); the kernel
 * deletes it at execve(2). (Not CLONE_VM without VFORK and a wait with a deadline: the kernel then takes the
 * two processes for one to the OOM killer, and what the child writes into its oom_score_adj would be the
 * supervisor's as well.)
 *
 * That user cannot look into the borrowed memory: setuid makes it undumpable (prctl(2), PR_SET_DUMPABLE),
 * which forbids ptrace(2) and /proc/PID/mem. It is our own flag too, so we put it back afterwards. The sysctl
 * fs.suid_dumpable=1 defeats that; spawn.py then leaves births with a user to the Python implementation.
 *
 * Stages and order are those of spawn_python.py; tests/contract/test_spawn.py holds the two together.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#if !defined(__linux__) || defined(__ILP32__) || !(defined(__x86_64__) || defined(__aarch64__))

/* No hand-made system calls for this machine: spawn.py uses Python when the import fails. */
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "_spawner", .m_size = -1};

PyMODINIT_FUNC PyInit__spawner(void)
{
    (void)module;
    PyErr_SetString(PyExc_ImportError, "the C spawner knows x86-64 and aarch64 only");
    return NULL;
}

#else

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* ---------------------------------------------------------------- system calls by hand (syscall(2)) */

#if defined(__x86_64__)

static inline long call(long number, long a, long b, long c, long d, long e)
{
    long answer;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    __asm__ volatile("syscall"
                     : "=a"(answer)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return answer;
}

/* long clone_and_run(struct clone_args *args, size_t size, void (*run)(void *), void *with) The parent gets
 * the pid or a negative errno. The child, whose stack pointer the kernel has set to the end of args->stack,
 * calls run(with), which must not return. The kernel keeps every register but rax, rcx and r11. */
__asm__(".text\n"
        ".type amonsup_clone_and_run, @function\n"
        "amonsup_clone_and_run:\n"
        "    movq %rcx, %r8\n"
        "    movl $435, %eax\n" /* clone3; the number is the same on every architecture */
        "    syscall\n"
        "    testq %rax, %rax\n"
        "    jnz 1f\n"
        "    xorl %ebp, %ebp\n" /* the end of the chain of frames */
        "    movq %r8, %rdi\n"
        "    call *%rdx\n"
        "    hlt\n"
        "1:  ret\n"
        ".size amonsup_clone_and_run, . - amonsup_clone_and_run\n");

#else /* __aarch64__ */

static inline long call(long number, long a, long b, long c, long d, long e)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory", "cc");
    return x0;
}

/* As above; the kernel keeps every register but x0. */
__asm__(".text\n"
        ".type amonsup_clone_and_run, %function\n"
        "amonsup_clone_and_run:\n"
        "    mov x8, #435\n"
        "    svc #0\n"
        "    cbnz x0, 1f\n"
        "    mov x29, #0\n"
        "    mov x30, #0\n"
        "    mov x0, x3\n"
        "    blr x2\n"
        "    brk #1\n"
        "1:  ret\n"
        ".size amonsup_clone_and_run, . - amonsup_clone_and_run\n");

#endif

extern long clone_and_run(struct clone_args *args, size_t size, void (*run)(void *), void *with)
    __asm__("amonsup_clone_and_run");

#define CALL0(number) call((number), 0, 0, 0, 0, 0)
#define CALL1(number, a) call((number), (long)(a), 0, 0, 0, 0)
#define CALL2(number, a, b) call((number), (long)(a), (long)(b), 0, 0, 0)
#define CALL3(number, a, b, c) call((number), (long)(a), (long)(b), (long)(c), 0, 0)
#define CALL4(number, a, b, c, d) call((number), (long)(a), (long)(b), (long)(c), (long)(d), 0)
#define CALL5(number, a, b, c, d, e) call((number), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e))

/* The kernel's sigset_t and struct rlimit64; glibc's sigset_t is larger, and its wrappers spare signals 32
 * and 33. */
typedef uint64_t kernel_sigset;
struct kernel_limit {
    uint64_t soft, hard;
};
enum { LAST_SIGNAL = 64 };

/* ---------------------------------------------------------------- what the child reads, and what it answers
 */

enum stage {
    NO_STAGE, CLONE, CGROUP, SESSION, DESCRIPTORS, OOM_SCORE_ADJ, NICE, IONICE, CPUSET, LIMITS, CAPABILITIES,
    GROUPS, GID, UID, UMASK, WORKING_DIR, NO_NEW_PRIVS, EXEC,
};

static const char *const stage_names[] = {
    NULL, "clone", "cgroup", "session", "descriptors", "oom_score_adj", "nice", "ionice", "cpuset", "limits",
    "capabilities", "groups", "gid", "uid", "umask", "working_dir", "no_new_privs", "exec",
};

enum { LEAVE = -100 };

struct limit {
    int resource;
    struct kernel_limit value;
};

struct plan {
    char **paths, **argv, **environment, **v1_procs; /* each ends with NULL */
    const char *working_dir;
    int count; /* of descriptors, at least three; `to` ascends */
    int *from, *to;
    long long uid, gid; /* uid -1: stay who we are */
    Py_ssize_t groups_count;
    uint32_t *groups;
    int umask;
    Py_ssize_t limits_count;
    struct limit *limits;
    const char *oom_score_adj; /* NULL: leave it */
    Py_ssize_t oom_score_adj_size;
    int no_new_privileges;
    int nice, ionice;    /* LEAVE: as ours is */
    const char *cpus;    /* a mask for sched_setaffinity(2) */
    Py_ssize_t cpus_size; /* 0: any */
    unsigned long long dropped, added; /* capabilities, by bit */
    long deadline_ms;
    /* Written by the child, read by us once clone3 is back: how far it came, and why it went no further. */
    volatile int stage, error, detail;
};

static void fail(struct plan *plan, long answer) __attribute__((noreturn));
static void fail(struct plan *plan, long answer)
{
    plan->error = (int)-answer;
    for (;;)
        CALL1(SYS_exit_group, 127);
}

/* Every step: note where we are (a deadline may end us there), act, give up on an error. */
static void must(struct plan *plan, long answer)
{
    if (answer < 0)
        fail(plan, answer);
}

static void at(struct plan *plan, enum stage stage, int detail)
{
    plan->stage = stage;
    plan->detail = detail;
}

static void write_file(struct plan *plan, const char *path, const char *text, size_t size)
{
    long fd = CALL4(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
    must(plan, fd);
    must(plan, CALL3(SYS_write, fd, text, size));
    CALL1(SYS_close, fd);
}

/* ---------------------------------------------------------------- the child */

static void arm_deadline(long deadline_ms)
{
    /* timer_create(2). A failure (RLIMIT_SIGPENDING) is no reason not to start the service. */
    struct sigevent kill_me = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    struct itimerspec when = {.it_value = {deadline_ms / 1000, deadline_ms % 1000 * 1000000L}};
    int timer;
    if (CALL3(SYS_timer_create, CLOCK_MONOTONIC, &kill_me, &timer) == 0)
        CALL4(SYS_timer_settime, timer, 0, &when, NULL);
}

static void reset_signals(void)
{
    /* sigaction(2): execve resets handlers, but what is *ignored* stays so, and Python ignores SIGPIPE and
     * SIGXFSZ. The kernel's struct is four words, all zero = SIG_DFL. KILL and STOP answer EINVAL, which is
     * all right. */
    static const unsigned long by_default[4];
    for (int number = 1; number <= LAST_SIGNAL; number++)
        CALL4(SYS_rt_sigaction, number, by_default, NULL, sizeof(kernel_sigset));
}

static void place_descriptors(struct plan *plan)
{
    /* First see that all are open: a copy made here could take the number of one that is not. Then lift the
     * sources out of the range of the targets, so that no dup3 destroys a source still needed and none has
     * source = target (which dup2(2) would leave close-on-exec). Then place, then close all the gaps. */
    int above = plan->to[plan->count - 1] + 1;
    for (int i = 0; i < plan->count; i++) {
        at(plan, DESCRIPTORS, i);
        must(plan, CALL2(SYS_fcntl, plan->from[i], F_GETFD));
    }
    for (int i = 0; i < plan->count; i++) {
        at(plan, DESCRIPTORS, i);
        if (plan->from[i] < above) {
            long lifted = CALL3(SYS_fcntl, plan->from[i], F_DUPFD_CLOEXEC, above);
            must(plan, lifted);
            plan->from[i] = (int)lifted;
        }
    }
    for (int i = 0; i < plan->count; i++) {
        at(plan, DESCRIPTORS, i);
        must(plan, CALL3(SYS_dup3, plan->from[i], plan->to[i], 0));
    }
    at(plan, DESCRIPTORS, -1);
    for (int i = 1; i < plan->count; i++) /* close_range(2) */
        if (plan->to[i] > plan->to[i - 1] + 1)
            must(plan, CALL3(SYS_close_range, plan->to[i - 1] + 1, plan->to[i] - 1, 0));
    must(plan, CALL3(SYS_close_range, above, ~0U, 0));
}

static void drop_capabilities(struct plan *plan)
{
    /* capabilities(7). The bounding set is what an exec as root, of a set-user-ID program or of one with file
     * capabilities can give; to lower it takes CAP_SETPCAP, hence before the user. */
    for (int which = 0; which < 64; which++) {
        if (!(plan->dropped >> which & 1))
            continue;
        at(plan, CAPABILITIES, which);
        if (CALL5(SYS_prctl, PR_CAPBSET_READ, which, 0, 0, 0) == 1)
            must(plan, CALL5(SYS_prctl, PR_CAPBSET_DROP, which, 0, 0, 0));
    }
    at(plan, CAPABILITIES, -1);
    if (plan->added)
        must(plan, CALL5(SYS_prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0)); /* until exec */
}

static void add_capabilities(struct plan *plan)
{
    /* As the service's user: what is in the ambient set survives an exec, and only what is permitted and
     * inheritable can be put there. Without an addition just nothing dropped may stay inheritable. */
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    at(plan, CAPABILITIES, -1);
    must(plan, CALL2(SYS_capget, &header, data));
    for (int half = 0; half < 2; half++) {
        uint32_t added = (uint32_t)(plan->added >> 32 * half);
        if (plan->added) {
            uint32_t missing = added & ~data[half].permitted;
            if (missing) {
                at(plan, CAPABILITIES, 32 * half + __builtin_ctz(missing));
                fail(plan, -EPERM);
            }
            data[half].permitted = data[half].effective = data[half].inheritable = added;
        } else {
            data[half].inheritable &= ~(uint32_t)(plan->dropped >> 32 * half);
        }
    }
    must(plan, CALL2(SYS_capset, &header, data));
    for (int which = 0; which < 64; which++) {
        if (!(plan->added >> which & 1))
            continue;
        at(plan, CAPABILITIES, which);
        must(plan, CALL5(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, which, 0, 0));
    }
}

static void become(struct plan *plan)
{
    /* execvp(3) over the candidates, which are the whole of PATH or the one path that was given: some errors
     * mean 'not here, look on', EACCES is remembered, because 'permission denied' says more than 'not found'
     * at the end. */
    long answer = -ENOENT;
    int denied = -1;
    for (int i = 0; plan->paths[i]; i++) {
        at(plan, EXEC, i);
        answer = CALL3(SYS_execve, plan->paths[i], plan->argv, plan->environment);
        if (answer == -EACCES)
            denied = i;
        else if (answer != -ENOENT && answer != -ESTALE && answer != -ENOTDIR && answer != -ENODEV &&
                 answer != -ETIMEDOUT)
            fail(plan, answer);
    }
    if (denied >= 0) {
        at(plan, EXEC, denied);
        answer = -EACCES;
    }
    fail(plan, answer);
}

static void child(void *with)
{
    struct plan *plan = with;
    kernel_sigset none = 0;

    at(plan, SESSION, -1);
    arm_deadline(plan->deadline_ms);
    reset_signals();
    must(plan, CALL0(SYS_setsid));

    place_descriptors(plan); /* before the limits: RLIMIT_NOFILE is the service's, not ours */

    for (int i = 0; plan->v1_procs[i]; i++) {
        at(plan, CGROUP, i);
        write_file(plan, plan->v1_procs[i], "0", 1); /* cgroups(7): 0 is the writer */
    }
    if (plan->oom_score_adj) {
        /* proc(5). The kernel gives it to everybody who shares the memory, except with a vfork child, as
         * here. */
        at(plan, OOM_SCORE_ADJ, -1);
        write_file(plan, "/proc/self/oom_score_adj", plan->oom_score_adj, (size_t)plan->oom_score_adj_size);
    }
    if (plan->nice != LEAVE) { /* setpriority(2), ioprio_set(2), sched_setaffinity(2) */
        at(plan, NICE, -1);
        must(plan, CALL3(SYS_setpriority, PRIO_PROCESS, 0, plan->nice));
    }
    if (plan->ionice != LEAVE) {
        at(plan, IONICE, -1);
        must(plan, CALL3(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, plan->ionice));
    }
    if (plan->cpus_size) {
        at(plan, CPUSET, -1);
        must(plan, CALL3(SYS_sched_setaffinity, 0, plan->cpus_size, plan->cpus));
    }
    for (Py_ssize_t i = 0; i < plan->limits_count; i++) { /* while we may still raise them: getrlimit(2) */
        at(plan, LIMITS, (int)i);
        must(plan, CALL4(SYS_prlimit64, 0, plan->limits[i].resource, &plan->limits[i].value, NULL));
    }
    if (plan->dropped | plan->added)
        drop_capabilities(plan);
    if (plan->uid >= 0) {
        /* setgroups(2), setgid(2), setuid(2): in this order, after the last we have no right to the others.
         */
        at(plan, GROUPS, -1);
        must(plan, CALL2(SYS_setgroups, plan->groups_count, plan->groups));
        at(plan, GID, -1);
        must(plan, CALL1(SYS_setgid, (uint32_t)plan->gid));
        at(plan, UID, -1);
        must(plan, CALL1(SYS_setuid, (uint32_t)plan->uid));
    }
    if (plan->dropped | plan->added)
        add_capabilities(plan);
    at(plan, UMASK, -1);
    CALL1(SYS_umask, plan->umask); /* never fails: umask(2) */
    at(plan, WORKING_DIR, -1);
    must(plan, CALL1(SYS_chdir, plan->working_dir)); /* as the service's user: chdir(2) */
    if (plan->no_new_privileges) {
        at(plan, NO_NEW_PRIVS, -1);
        must(plan, CALL5(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)); /* prctl(2) */
    }
    at(plan, EXEC, -1);
    CALL4(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof none); /* sigprocmask(2) */
    become(plan);
}

/* ---------------------------------------------------------------- the parent */

enum { STACK = 64 * 1024, GUARD = 64 * 1024 }; /* the guard: at least a page, and pages go up to 64 KiB */
static char *stack; /* one for all births: there is only ever one child on it */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Whether a child that has used up its time was killed by its own timer before it could exec. */
static int was_killed(int pidfd)
{
    struct pollfd dead = {.fd = pidfd, .events = POLLIN};
    siginfo_t end = {0};
    /* vfork lets us go as soon as the memory is ours again, which is a little before the child can be waited
     * for. */
    poll(&dead, 1, 100);
    return waitid(P_PIDFD, (id_t)pidfd, &end, WEXITED | WNOHANG | WNOWAIT) == 0 && end.si_pid != 0 &&
           end.si_code == CLD_KILLED && end.si_status == SIGKILL;
}

/* clone3(2). The cgroup is named only when it is asked for: the flag needs the field, and Linux 5.7. */
static long bear(struct plan *plan, int cgroup_fd, int *pidfd)
{
    struct clone_args args = {
        .flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD,
        .pidfd = (uintptr_t)pidfd,
        .exit_signal = SIGCHLD,
        .stack = (uintptr_t)stack + GUARD,
        .stack_size = STACK,
    };
    kernel_sigset all = ~(kernel_sigset)0, before;
    int was_dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    int64_t start = now_ms();

    if (cgroup_fd >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)cgroup_fd;
    }
    CALL4(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
    long pid = clone_and_run(&args, sizeof args, child, plan);
    if (pid < 0) {
        int is_about_it = pid == -ENOENT || pid == -EBADF || pid == -EOPNOTSUPP || pid == -EBUSY ||
                          pid == -EACCES || pid == -ENODEV; /* clone(2), CLONE_INTO_CGROUP */
        at(plan, cgroup_fd >= 0 && is_about_it ? CGROUP : CLONE, -1);
        plan->error = (int)-pid;
    } else {
        if (was_dumpable == 1)
            prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
        if (!plan->error && now_ms() - start >= plan->deadline_ms && was_killed(*pidfd))
            plan->error = ETIMEDOUT;
        if (plan->error) {
            /* It never was a service: nobody else shall see it. ECHILD (SIGCHLD ignored) is all right as
             * well. */
            while (waitid(P_PIDFD, (id_t)*pidfd, NULL, WEXITED) < 0 && errno == EINTR)
                ;
            close(*pidfd);
        }
    }
    CALL4(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof before);
    return pid;
}

/* ---------------------------------------------------------------- Python's side; it owns all texts during
 * the call */

static char **texts(PyObject *tuple)
{
    Py_ssize_t count = PyTuple_GET_SIZE(tuple);
    char **list = PyMem_New(char *, (size_t)count + 1);
    if (!list) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        if (!(list[i] = PyBytes_AsString(PyTuple_GET_ITEM(tuple, i)))) {
            PyMem_Free(list);
            return NULL;
        }
    list[count] = NULL;
    return list;
}

static int fill(struct plan *plan, PyObject *descriptors, PyObject *groups, PyObject *limits)
{
    plan->count = (int)PyTuple_GET_SIZE(descriptors);
    plan->groups_count = PyTuple_GET_SIZE(groups);
    plan->limits_count = PyTuple_GET_SIZE(limits);
    plan->from = PyMem_New(int, (size_t)plan->count + 1);
    plan->to = PyMem_New(int, (size_t)plan->count + 1);
    plan->groups = PyMem_New(uint32_t, (size_t)plan->groups_count + 1);
    plan->limits = PyMem_New(struct limit, (size_t)plan->limits_count + 1);
    if (!plan->from || !plan->to || !plan->groups || !plan->limits) {
        PyErr_NoMemory();
        return 0;
    }
    for (int i = 0; i < plan->count; i++)
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(descriptors, i), "ii", &plan->from[i], &plan->to[i]))
            return 0;
    for (Py_ssize_t i = 0; i < plan->groups_count; i++) {
        unsigned long group = PyLong_AsUnsignedLong(PyTuple_GET_ITEM(groups, i));
        if (PyErr_Occurred())
            return 0;
        plan->groups[i] = (uint32_t)group;
    }
    for (Py_ssize_t i = 0; i < plan->limits_count; i++) {
        long long soft, hard; /* -1 is RLIM_INFINITY, here as in Python's resource */
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(limits, i), "iLL", &plan->limits[i].resource, &soft, &hard))
            return 0;
        plan->limits[i].value.soft = (uint64_t)soft;
        plan->limits[i].value.hard = (uint64_t)hard;
    }
    if (plan->count < 3) {
        PyErr_SetString(PyExc_ValueError, "a child needs its descriptors 0, 1 and 2");
        return 0;
    }
    return 1;
}

enum { ARGUMENTS = 19 }; /* of spawn; spawn.py looks whether this was compiled for what it passes */

static PyObject *spawn(PyObject *self, PyObject *arguments)
{
    struct plan plan = {0};
    PyObject *paths, *argv, *environment, *descriptors, *groups, *limits, *v1_procs, *answer = NULL;
    int cgroup_fd, pidfd = -1;
    (void)self;

    if (!PyArg_ParseTuple(arguments, "O!O!O!yO!LLO!iO!z#piO!(ii)y#KKl", &PyTuple_Type, &paths, &PyTuple_Type, &argv,
                          &PyTuple_Type, &environment, &plan.working_dir, &PyTuple_Type, &descriptors,
                          &plan.uid, &plan.gid, &PyTuple_Type, &groups, &plan.umask, &PyTuple_Type, &limits,
                          &plan.oom_score_adj, &plan.oom_score_adj_size, &plan.no_new_privileges, &cgroup_fd,
                          &PyTuple_Type, &v1_procs, &plan.nice, &plan.ionice, &plan.cpus, &plan.cpus_size,
                          &plan.dropped, &plan.added, &plan.deadline_ms))
        return NULL;
    if ((plan.paths = texts(paths)) && (plan.argv = texts(argv)) && (plan.environment = texts(environment)) &&
        (plan.v1_procs = texts(v1_procs)) && fill(&plan, descriptors, groups, limits)) {
        /* The GIL stays with us: nobody else may run Python while the child is in our memory. */
        int pid = (int)bear(&plan, cgroup_fd, &pidfd);
        if (plan.error)
            answer = Py_BuildValue("(iizii)", -1, -1, stage_names[plan.stage], plan.error, plan.detail);
        else
            answer = Py_BuildValue("(iizii)", pid, pidfd, NULL, 0, -1);
    }
    PyMem_Free(plan.paths);
    PyMem_Free(plan.argv);
    PyMem_Free(plan.environment);
    PyMem_Free(plan.v1_procs);
    PyMem_Free(plan.from);
    PyMem_Free(plan.to);
    PyMem_Free(plan.groups);
    PyMem_Free(plan.limits);
    return answer;
}

static PyObject *probe(PyObject *self, PyObject *unused)
{
    (void)self, (void)unused;
    /* clone3(2): a size below the first published struct is EINVAL, if anybody looks at all; seccomp filters
     * of older containers answer ENOSYS or EPERM instead, a kernel before 5.3 ENOSYS. */
    return PyBool_FromLong(CALL2(SYS_clone3, NULL, 0) == -EINVAL);
}

#define P_PIDFD_ 3 /* idtype_t of linux/wait.h; glibc has it from 2.36 on */

static PyObject *set_prctl(PyObject *self, PyObject *args)
{
    int option;
    unsigned long value;

    (void)self;
    if (!PyArg_ParseTuple(args, "ik", &option, &value))
        return NULL;
    if (prctl(option, value, 0UL, 0UL, 0UL) < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}

/* signalfd(2): signals as something to read, without a handler and without interrupting what is waited for. */
static PyObject *signal_descriptor(PyObject *self, PyObject *arg)
{
    sigset_t set;
    long number = PyLong_AsLong(arg);
    int fd;

    (void)self;
    if (number == -1 && PyErr_Occurred())
        return NULL;
    sigemptyset(&set);
    if (sigaddset(&set, (int)number) < 0 || (fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)) < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    return PyLong_FromLong(fd);
}

/* timerfd_create(2): readable when the wall clock is set, or the machine wakes up; it is never due by itself. */
static PyObject *clock_descriptor(PyObject *self, PyObject *unused)
{
    struct itimerspec never = {.it_value = {.tv_sec = (time_t)INT32_MAX * 4}};
    int fd;

    (void)self;
    (void)unused;
    if ((fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC)) < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    if (timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        close(fd);
        return NULL;
    }
    return PyLong_FromLong(fd);
}

/* waitid(2) as the kernel has it fills a rusage even with WNOWAIT; glibc's and Python's leave that argument out. */
static PyObject *look(PyObject *self, PyObject *arg)
{
    siginfo_t info = {0};
    struct rusage usage = {0};
    long pidfd = PyLong_AsLong(arg);
    int status;

    (void)self;
    if (pidfd == -1 && PyErr_Occurred())
        return NULL;
    if (syscall(SYS_waitid, P_PIDFD_, pidfd, &info, WEXITED | WNOHANG | WNOWAIT, &usage) < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    if (info.si_pid == 0)
        Py_RETURN_NONE;
    if (info.si_code == CLD_EXITED)
        status = (info.si_status & 0xff) << 8;
    else
        status = info.si_status | (info.si_code == CLD_DUMPED ? 0x80 : 0);
    return Py_BuildValue("idl", status,
                         (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                             (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
                         usage.ru_maxrss);
}

static PyMethodDef methods[] = {
    {"spawn", spawn, METH_VARARGS, "One child; see spawn_python.spawn, which takes and answers the same."},
    {"probe", probe, METH_NOARGS, "Whether this kernel (and its seccomp filter) lets us call clone3."},
    {"signal_descriptor", signal_descriptor, METH_O, "A signalfd(2) for one signal, which the caller has blocked."},
    {"clock_descriptor", clock_descriptor, METH_NOARGS, "A timerfd(2) that is readable when the wall clock jumps."},
    {"look", look, METH_O,
     "How the child of a pidfd ended, without reaping it: (wait status, CPU seconds, KiB) or None."},
    {"prctl", set_prctl, METH_VARARGS, "prctl(2) with one argument; raises OSError."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_spawner",
    .m_doc = "clone3 with VFORK, PIDFD and INTO_CGROUP, then exec.",
    .m_size = -1,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__spawner(void)
{
    if (!stack) {
        char *memory = mmap(NULL, GUARD + STACK, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
        if (memory == MAP_FAILED || mprotect(memory, GUARD, PROT_NONE) < 0) {
            PyErr_SetString(PyExc_ImportError, "no memory for the stack of children");
            return NULL;
        }
        stack = memory;
    }
    PyObject *made = PyModule_Create(&module);
    if (made && PyModule_AddIntConstant(made, "ARGUMENTS", ARGUMENTS) < 0) {
        Py_DECREF(made);
        return NULL;
    }
    return made;
}

#endif
