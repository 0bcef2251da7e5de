// setxattrat(2) and its like.
#include "check.h"
#define S(n, ...) E(syscall(SYS_##n, ##__VA_ARGS__))
#define SYS_setxattrat 463
#define SYS_getxattrat 464
#define SYS_listxattrat 465
#define SYS_removexattrat 466
int main(int c, char **v) {
    begin(v);
    char b[5000], out[100] = {0};
    memset(b, 0, sizeof b);
    int f = open("f", O_CREAT | O_RDWR, 0644), p = open("f", O_PATH), d = open(".", O_RDONLY);
    symlink("f", "l");
    if (syscall(SYS_listxattrat, AT_FDCWD, "f", 0, b, 100) < 0 && errno == ENOSYS)
        return UNKNOWN;
    struct {
        void *value;
        unsigned size, flags;
        long more;
    } a = {"abc", 3, 0, 0};
    S(setxattrat, AT_FDCWD, "f", 0, "trusted.x", &a, 16);
    S(setxattrat, d, "f", 0, "user.x", &a, 16);
    S(setxattrat, f, "", AT_EMPTY_PATH, "user.y", &a, 16);
    S(setxattrat, f, NULL, AT_EMPTY_PATH, "user.z", &a, 16);
    S(setxattrat, f, NULL, 0, "user.z", &a, 16);
    S(setxattrat, f, "", 0, "user.z", &a, 16);
    S(setxattrat, p, "", AT_EMPTY_PATH, "user.y", &a, 16);
    S(setxattrat, -1, "", AT_EMPTY_PATH, "user.y", &a, 16);
    S(setxattrat, AT_FDCWD, "l", AT_SYMLINK_NOFOLLOW, "user.y", &a, 16);
    S(setxattrat, AT_FDCWD, "l", 0, "user.w", &a, 16);
    S(setxattrat, AT_FDCWD, "f", 0x200, "user.x", &a, 16);
    S(setxattrat, AT_FDCWD, "f", 0, "user.x", &a, 15);
    S(setxattrat, AT_FDCWD, "f", 0, "user.x", &a, 24);
    a.more = 1;
    S(setxattrat, AT_FDCWD, "f", 0, "user.x", &a, 24);
    S(setxattrat, AT_FDCWD, "f", 0, "user.x", b, 4097);
    S(setxattrat, AT_FDCWD, "f", 0, "user.x", BAD, 16);
    S(setxattrat, AT_FDCWD, "f", 0, BAD, &a, 16);
    S(setxattrat, AT_FDCWD, "f", 0, "nosuch", &a, 16);
    a.flags = XATTR_CREATE;
    S(setxattrat, AT_FDCWD, "f", 0, "user.x", &a, 16);
    a.flags = XATTR_REPLACE;
    S(setxattrat, AT_FDCWD, "f", 0, "user.q", &a, 16);
    a.flags = 4;
    S(setxattrat, AT_FDCWD, "f", 0, "user.x", &a, 16);
    S(getxattrat, AT_FDCWD, "f", 0, "user.x", &a, 16);
    a.flags = 0;
    a.value = out;
    a.size = sizeof out;
    S(getxattrat, AT_FDCWD, "f", 0, "user.x", &a, 16);
    say(out);
    a.size = 2;
    S(getxattrat, AT_FDCWD, "f", 0, "user.x", &a, 16);
    a.size = 0;
    S(getxattrat, f, "", AT_EMPTY_PATH, "user.x", &a, 16);
    S(getxattrat, AT_FDCWD, "f", 0, "user.nosuch", &a, 16);
    S(listxattrat, AT_FDCWD, "f", 0, b, 2);
    S(listxattrat, f, NULL, AT_EMPTY_PATH, b, 0);
    S(listxattrat, AT_FDCWD, "l", AT_SYMLINK_NOFOLLOW, b, 100);
    S(removexattrat, AT_FDCWD, "f", 0, "user.x");
    S(removexattrat, AT_FDCWD, "f", 0, "user.x");
    S(removexattrat, f, "", AT_EMPTY_PATH, "user.y");
    S(removexattrat, AT_FDCWD, "f", 1, "user.y");
    return 0;
}
