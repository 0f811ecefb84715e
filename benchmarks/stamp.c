/* The service of every benchmark: note the time, say it, wait for ever.
 *
 *   stamp FIFO NAME      or, without arguments (as a `run` program of runit or s6):
 *   FIFO is $AMONSUP_BENCH_FIFO and NAME the name of the working directory.
 *
 * One record of 40 bytes goes to the FIFO: CLOCK_MONOTONIC in ns at the start of main, pid, name. A write of that size
 * to a FIFO is atomic, and the FIFO holds 1638 of them, so nobody waits for the reader.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct record {
    uint64_t ns;
    int32_t pid;
    char name[28];
};

int main(int argc, char **argv)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);

    struct record record = {.ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec, .pid = getpid()};
    char directory[4096] = "";
    const char *fifo = argc > 2 ? argv[1] : getenv("AMONSUP_BENCH_FIFO");
    const char *name = argc > 2 ? argv[2] : NULL;
    if (name == NULL && getcwd(directory, sizeof directory) != NULL) {
        const char *slash = strrchr(directory, '/');
        name = slash != NULL ? slash + 1 : directory;
    }
    if (fifo == NULL || name == NULL)
        return 2;
    strncpy(record.name, name, sizeof record.name - 1);

    int fd = open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC); /* fails if the harness is gone: then nobody listens */
    if (fd >= 0) {
        if (write(fd, &record, sizeof record) != (ssize_t)sizeof record)
            return 3;
        close(fd);
    }
    for (;;)
        pause();
}
