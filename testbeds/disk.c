/* B3, in the process that writes: notes what it asks of the disk under one folder, and fails calls on order.

   Loaded by LD_PRELOAD before libc. CRYPTAI_DISK_ROOT names the folder, CRYPTAI_DISK_LOG the file of notes, which
   testbeds/calls.py reads. Nothing is really synced: what a sync is worth is decided by testbeds/disk.py.

   A note is a kind, three numbers, two lengths and two byte strings, little-endian:
   C create file, D create folder (inode; path)      W write (inode, offset; bytes)
   T truncate (inode, size)                          S sync (inode, 1 if of the data only)
   R rename, L link (path, path)                     U remove (path)
   M time of change set (inode, ns)                  P mapped so that it is written past us (inode; path)

   Calls are made by syscall(), so that none of ours comes back to us. One lock: notes stand in the order of calls. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static char root[PATH_MAX];
static int notes = -1;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

/* The calls that may fail are counted; from `fail_at` on (or only then) they fail with `fail_with`, and before the
   one of CRYPTAI_DISK_DIE the process dies, as by kill -9. */
static long calls, fail_at, fail_lasts, die_at;
static int fail_with;

__attribute__((constructor)) static void begin(void) {
    const char *folder = getenv("CRYPTAI_DISK_ROOT"), *file = getenv("CRYPTAI_DISK_LOG");
    const char *last = getenv("CRYPTAI_DISK_DIE");
    if (!folder) return;
    snprintf(root, sizeof root, "%s", folder);
    if (last) die_at = atol(last);
    if (file) notes = syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

void disk_root(const char *folder) { snprintf(root, sizeof root, "%s", folder); }
void disk_fail(long at, int with, long lasts) { calls = 0, fail_at = at, fail_with = with, fail_lasts = lasts; }
long disk_calls(void) { return calls; }

static int fails(void) {
    if (++calls == die_at) syscall(SYS_exit_group, 137);
    if (!fail_at || (fail_lasts ? calls < fail_at : calls != fail_at)) return 0;
    errno = fail_with;
    return 1;
}

static int under(const char *path) {
    size_t n = strlen(root);
    return n && !strncmp(path, root, n) && (path[n] == '/' || !path[n]);
}

static int by_number(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (!root[0]) return 0;
    ssize_t n = readlink(link, path, PATH_MAX - 1);
    path[n < 0 ? 0 : n] = 0;
    return under(path);
}

static int by_name(int folder, const char *name, char *path) {
    if (!root[0] || !name) return 0;
    if (name[0] == '/') {
        snprintf(path, PATH_MAX, "%s", name);
        return under(path);
    }
    char at[PATH_MAX];
    if (folder != AT_FDCWD) by_number(folder, at);
    else if (!getcwd(at, sizeof at)) return 0;
    if (snprintf(path, PATH_MAX, "%s/%s", at, name) >= PATH_MAX) return 0;
    return under(path);
}

static void note(char kind, uint64_t inode, int64_t a, int64_t b, const void *p, uint32_t np, const void *q, uint32_t nq) {
    char head[33];
    if (notes < 0) return;
    head[0] = kind;
    memcpy(head + 1, &inode, 8), memcpy(head + 9, &a, 8), memcpy(head + 17, &b, 8);
    memcpy(head + 25, &np, 4), memcpy(head + 29, &nq, 4);
    struct iovec parts[] = {{head, 33}, {(void *)p, np}, {(void *)q, nq}};
    if (syscall(SYS_writev, notes, parts, 3) != 33 + (long)np + (long)nq) abort();
}

static uint64_t inode_of(int fd, int64_t *size) {
    struct stat now;
    if (fstat(fd, &now)) abort();
    if (size) *size = now.st_size;
    return now.st_ino;
}

static int opened(int folder, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    if (!(flags & (O_CREAT | O_TRUNC)) || !by_name(folder, name, path))
        return syscall(SYS_openat, folder, name, flags, mode);
    pthread_mutex_lock(&turn);
    struct stat before;
    int fd = -1, was = !stat(path, &before);
    if ((was && !(flags & O_TRUNC)) || !fails()) fd = syscall(SYS_openat, folder, name, flags, mode);
    if (fd >= 0 && !was) note('C', inode_of(fd, 0), 0, 0, path, strlen(path), 0, 0);
    else if (fd >= 0 && flags & O_TRUNC) note('T', inode_of(fd, 0), 0, 0, 0, 0, 0, 0);
    pthread_mutex_unlock(&turn);
    return fd;
}

#define MODE(last) \
    mode_t mode = 0; \
    if (flags & O_CREAT) { va_list rest; va_start(rest, last); mode = va_arg(rest, mode_t); va_end(rest); }
int open(const char *name, int flags, ...) { MODE(flags) return opened(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE(flags) return opened(AT_FDCWD, name, flags | O_LARGEFILE, mode); }
int openat(int folder, const char *name, int flags, ...) { MODE(flags) return opened(folder, name, flags, mode); }
int openat64(int folder, const char *name, int flags, ...) { MODE(flags) return opened(folder, name, flags, mode); }
int creat(const char *name, mode_t mode) { return opened(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode); }

/* A full disk takes half of what the failing call writes. */
static ssize_t written(int fd, const void *data, size_t n, int64_t at) {
    char path[PATH_MAX];
    if (!by_number(fd, path))
        return at < 0 ? syscall(SYS_write, fd, data, n) : syscall(SYS_pwrite64, fd, data, n, at);
    pthread_mutex_lock(&turn);
    ssize_t done = -1;
    if (fails()) n = fail_with == ENOSPC && calls == fail_at ? n / 2 : 0;
    if (n) {
        int64_t from = at;
        uint64_t inode = inode_of(fd, &from);
        if (at >= 0) from = at;
        else if (!(fcntl(fd, F_GETFL) & O_APPEND)) from = lseek(fd, 0, SEEK_CUR);
        done = at < 0 ? syscall(SYS_write, fd, data, n) : syscall(SYS_pwrite64, fd, data, n, at);
        if (done > 0) note('W', inode, from, 0, data, done, 0, 0);
    }
    pthread_mutex_unlock(&turn);
    return done;
}

static ssize_t gathered(int fd, const struct iovec *parts, int count, int64_t at) {
    char path[PATH_MAX], *all;
    size_t n = 0, put = 0;
    if (!by_number(fd, path))
        return at < 0 ? syscall(SYS_writev, fd, parts, count) : syscall(SYS_pwritev, fd, parts, count, at, 0);
    for (int i = 0; i < count; i++) n += parts[i].iov_len;
    if (!(all = malloc(n + 1))) abort();
    for (int i = 0; i < count; put += parts[i++].iov_len) memcpy(all + put, parts[i].iov_base, parts[i].iov_len);
    ssize_t done = n ? written(fd, all, n, at) : 0;
    free(all);
    return done;
}

ssize_t write(int fd, const void *data, size_t n) { return n ? written(fd, data, n, -1) : syscall(SYS_write, fd, data, n); }
ssize_t pwrite(int fd, const void *data, size_t n, off_t at) { return written(fd, data, n, at); }
ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) { return written(fd, data, n, at); }
ssize_t writev(int fd, const struct iovec *parts, int count) { return gathered(fd, parts, count, -1); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) { return gathered(fd, parts, count, at); }
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) { return gathered(fd, parts, count, at); }

/* libc's buffered files write from inside libc: NumPy saves arrays by them. */
size_t fwrite(const void *data, size_t size, size_t count, FILE *file) {
    static size_t (*theirs)(const void *, size_t, size_t, FILE *);
    char path[PATH_MAX];
    if (!theirs) *(void **)&theirs = dlsym(RTLD_NEXT, "fwrite");
    if (!root[0] || !by_number(fileno(file), path)) return theirs(data, size, count, file);
    size_t put = 0, all = size * count;
    if (fflush(file)) return 0;
    while (put < all) {
        ssize_t done = written(fileno(file), (const char *)data + put, all - put, -1);
        if (done <= 0) return size ? put / size : 0;
        put += done;
    }
    return count;
}

/* What would copy inside the kernel is told to copy by hand. */
ssize_t sendfile64(int to, int from, off64_t *at, size_t n) {
    char path[PATH_MAX];
    return by_number(to, path) ? (errno = EINVAL, -1) : syscall(SYS_sendfile, to, from, at, n);
}
ssize_t sendfile(int to, int from, off_t *at, size_t n) { return sendfile64(to, from, at, n); }
ssize_t copy_file_range(int from, off64_t *a, int to, off64_t *b, size_t n, unsigned flags) {
    char path[PATH_MAX];
    return by_number(to, path) ? (errno = EINVAL, -1) : syscall(SYS_copy_file_range, from, a, to, b, n, flags);
}

static int cut(int fd, int64_t size) {
    char path[PATH_MAX];
    if (!by_number(fd, path)) return syscall(SYS_ftruncate, fd, size);
    pthread_mutex_lock(&turn);
    int done = fails() ? -1 : syscall(SYS_ftruncate, fd, size);
    if (!done) note('T', inode_of(fd, 0), size, 0, 0, 0, 0, 0);
    pthread_mutex_unlock(&turn);
    return done;
}
int ftruncate(int fd, off_t size) { return cut(fd, size); }
int ftruncate64(int fd, off64_t size) { return cut(fd, size); }
int posix_fallocate(int fd, off_t at, off_t n) {
    int64_t size;
    inode_of(fd, &size);
    return size >= at + n || !cut(fd, at + n) ? 0 : errno;
}
int posix_fallocate64(int fd, off64_t at, off64_t n) { return posix_fallocate(fd, at, n); }
int fallocate(int fd, int mode, off_t at, off_t n) { return mode ? (errno = EOPNOTSUPP, -1) : (errno = posix_fallocate(fd, at, n)) ? -1 : 0; }
int fallocate64(int fd, int mode, off64_t at, off64_t n) { return fallocate(fd, mode, at, n); }

static int synced(int fd, int data_only) {
    char path[PATH_MAX];
    if (!by_number(fd, path)) return syscall(data_only ? SYS_fdatasync : SYS_fsync, fd);
    pthread_mutex_lock(&turn);
    int done = fails() ? -1 : 0;
    if (!done) note('S', inode_of(fd, 0), data_only, 0, 0, 0, 0, 0);
    pthread_mutex_unlock(&turn);
    return done;
}
int fsync(int fd) { return synced(fd, 0); }
int fdatasync(int fd) { return synced(fd, 1); }

static int named(char kind, int a, const char *from, int b, const char *to, unsigned flags) {
    char old[PATH_MAX] = "", new[PATH_MAX] = "";
    int call = kind == 'R' ? SYS_renameat2 : SYS_linkat;
    if (!(by_name(a, from, old) | by_name(b, to, new))) return syscall(call, a, from, b, to, flags);
    pthread_mutex_lock(&turn);
    int done = fails() ? -1 : syscall(call, a, from, b, to, flags);
    if (!done) note(kind, 0, flags, 0, old, strlen(old), new, strlen(new));
    pthread_mutex_unlock(&turn);
    return done;
}
int rename(const char *from, const char *to) { return named('R', AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int a, const char *from, int b, const char *to) { return named('R', a, from, b, to, 0); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) { return named('R', a, from, b, to, flags); }
int link(const char *from, const char *to) { return named('L', AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int a, const char *from, int b, const char *to, int flags) { return named('L', a, from, b, to, flags); }

/* A full disk still removes files. */
static int removed(int folder, const char *name, int flags) {
    char path[PATH_MAX];
    if (!by_name(folder, name, path)) return syscall(SYS_unlinkat, folder, name, flags);
    pthread_mutex_lock(&turn);
    int done = syscall(SYS_unlinkat, folder, name, flags);
    if (!done) note('U', 0, 0, 0, path, strlen(path), 0, 0);
    pthread_mutex_unlock(&turn);
    return done;
}
int unlink(const char *name) { return removed(AT_FDCWD, name, 0); }
int unlinkat(int folder, const char *name, int flags) { return removed(folder, name, flags); }
int rmdir(const char *name) { return removed(AT_FDCWD, name, AT_REMOVEDIR); }
int remove(const char *name) {
    int done = removed(AT_FDCWD, name, 0);
    return done && errno == EISDIR ? removed(AT_FDCWD, name, AT_REMOVEDIR) : done;
}

int mkdirat(int folder, const char *name, mode_t mode) {
    char path[PATH_MAX];
    struct stat now;
    if (!by_name(folder, name, path)) return syscall(SYS_mkdirat, folder, name, mode);
    pthread_mutex_lock(&turn);
    /* One that is there is said to be there, as the kernel would. */
    int done = stat(path, &now) && fails() ? -1 : syscall(SYS_mkdirat, folder, name, mode);
    if (!done && !stat(path, &now)) note('D', now.st_ino, 0, 0, path, strlen(path), 0, 0);
    pthread_mutex_unlock(&turn);
    return done;
}
int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

int utimensat(int folder, const char *name, const struct timespec times[2], int flags) {
    char path[PATH_MAX];
    int done = syscall(SYS_utimensat, folder, name, times, flags);
    struct stat now;
    if (!done && by_name(folder, name, path) && !stat(path, &now)) {
        pthread_mutex_lock(&turn);
        note('M', now.st_ino, now.st_mtim.tv_sec * 1000000000ll + now.st_mtim.tv_nsec, 0, 0, 0, 0, 0);
        pthread_mutex_unlock(&turn);
    }
    return done;
}

/* SQLite's index of its log is memory that happens to be a file: mapped, never synced, made anew at need. */
void *mmap(void *where, size_t n, int protection, int flags, int fd, off_t at) {
    char path[PATH_MAX];
    if (fd >= 0 && flags & MAP_SHARED && protection & PROT_WRITE && by_number(fd, path)) {
        pthread_mutex_lock(&turn);
        note('P', inode_of(fd, 0), 0, 0, path, strlen(path), 0, 0);
        pthread_mutex_unlock(&turn);
    }
    return (void *)syscall(SYS_mmap, where, n, protection, flags, fd, at);
}
void *mmap64(void *where, size_t n, int protection, int flags, int fd, off64_t at) { return mmap(where, n, protection, flags, fd, at); }
