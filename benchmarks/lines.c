/* A service that talks: COUNT lines of 107 bytes to stdout, each by a write of its own; then how long that took.
 *
 *   lines COUNT RESULT [QUIET_MS]
 *
 * QUIET_MS: it says nothing for so long first. The time in ns goes to the file RESULT, by rename, so whoever sees it
 * sees it whole. Then it waits for ever.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LENGTH = 107 };

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int say(const char *line, size_t left)
{
    while (left > 0) {
        ssize_t written = write(STDOUT_FILENO, line, left);
        if (written < 0 && errno != EINTR)
            return -1;
        if (written > 0)
            line += written, left -= (size_t)written;
    }
    return 0;
}

int main(int argc, char **argv)
{
    char line[LENGTH + 1], path[4096];
    if (argc != 3 && argc != 4)
        return 2;
    long count = atol(argv[1]);
    if (argc == 4)
        usleep((useconds_t)atol(argv[3]) * 1000);
    int64_t start = now_ns();
    memset(line, '.', sizeof line);
    line[LENGTH - 1] = '\n';
    for (long number = 0; number < count; number++) {
        char digits[16];
        memcpy(line, digits, (size_t)snprintf(digits, sizeof digits, "%08ld ", number));
        if (say(line, LENGTH) < 0)
            return 3;
    }
    int64_t took = now_ns() - start;
    snprintf(path, sizeof path, "%s.new", argv[2]);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || dprintf(fd, "%lld\n", (long long)took) < 0 || close(fd) < 0 || rename(path, argv[2]) < 0)
        return 4;
    for (;;)
        pause();
}
