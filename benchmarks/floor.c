/* The physical floor: posix_spawn every service, waitpid, posix_spawn the one that died. Nothing else.
 *
 *   floor STAMP FIFO NAME...        SIGTERM kills the children and ends.
 */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static pid_t *pids;
static int count;

static void finish(int signal_number)
{
    (void)signal_number;
    for (int i = 0; i < count; i++)
        if (pids[i] > 0)
            kill(pids[i], SIGKILL);
    _exit(0);
}

static void spawn(int i, char **argv)
{
    char *child[] = {argv[1], argv[2], argv[3 + i], NULL};
    if (posix_spawn(&pids[i], argv[1], NULL, NULL, child, environ) != 0)
        _exit(1);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    count = argc - 3;
    pids = calloc((size_t)count, sizeof *pids);
    if (pids == NULL)
        return 1;
    signal(SIGTERM, finish);
    for (int i = 0; i < count; i++)
        spawn(i, argv);
    for (;;) {
        pid_t dead = waitpid(-1, NULL, 0);
        if (dead < 0 && errno != EINTR)
            return 1;
        for (int i = 0; i < count; i++)
            if (pids[i] == dead) {
                spawn(i, argv);
                break;
            }
    }
}
