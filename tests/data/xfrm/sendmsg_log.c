// SPDX-License-Identifier: Apache-2.0
// Preloaded into `ip xfrm`: appends what it hands to sendmsg() to the file $CAPTURE, in hex, a line a call.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    ssize_t (*real)(int, const struct msghdr *, int) = dlsym(RTLD_NEXT, "sendmsg");
    FILE *file = fopen(getenv("CAPTURE"), "a");
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        const unsigned char *bytes = message->msg_iov[i].iov_base;
        for (size_t j = 0; j < message->msg_iov[i].iov_len; j++) fprintf(file, "%02x", bytes[j]);
    }
    fputc('\n', file);
    fclose(file);
    return real(fd, message, flags);
}
