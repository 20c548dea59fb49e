// SPDX-License-Identifier: Apache-2.0
#include "net/kept_sockets.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <sstream>

namespace anyswan::net {

namespace {

constexpr int first_handed_fd = 3;  // SD_LISTEN_FDS_START

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

/// One datagram to the service manager; `fd` goes with it unless it is negative.
bool notify(const std::string& text, int fd) {
    const std::string path = variable("NOTIFY_SOCKET");
    sockaddr_un to{};
    if (path.size() < 2 || path.size() >= sizeof to.sun_path) {
        return false;
    }
    const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    to.sun_family = AF_UNIX;
    std::memcpy(to.sun_path, path.data(), path.size());
    if (path[0] == '@') {
        to.sun_path[0] = '\0';  // an abstract one
    }
    // sendmsg() doesn't write through this pointer.
    iovec vector{const_cast<char*>(text.data()), text.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof fd)> control{};
    msghdr message{};
    message.msg_name = &to;
    message.msg_namelen = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    if (fd >= 0) {
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* item = CMSG_FIRSTHDR(&message);
        item->cmsg_level = SOL_SOCKET;
        item->cmsg_type = SCM_RIGHTS;
        item->cmsg_len = CMSG_LEN(sizeof fd);
        std::memcpy(CMSG_DATA(item), &fd, sizeof fd);
    }
    return socket.valid() && sendmsg(socket.get(), &message, MSG_NOSIGNAL) >= 0;
}

}  // namespace

KeptSockets KeptSockets::from_environment() {
    KeptSockets made;
    if (variable("LISTEN_PID") != std::to_string(getpid())) {
        return made;
    }
    const int count = std::atoi(variable("LISTEN_FDS").c_str());
    std::istringstream names(variable("LISTEN_FDNAMES"));
    for (int fd = first_handed_fd; fd < first_handed_fd + count; ++fd) {
        std::string name;
        std::getline(names, name, ':');
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0) {
            made.held_.insert_or_assign(name, Fd(fd));
        }
    }
    for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) {
        unsetenv(name);
    }
    return made;
}

KeptSockets::~KeptSockets() {
    for (const auto& [name, fd] : held_) {
        (void)notify("FDSTOREREMOVE=1\nFDNAME=" + name, -1);
    }
}

Fd KeptSockets::take(const std::string& name) {
    const auto found = held_.find(name);
    if (found == held_.end()) {
        return Fd();
    }
    Fd fd = std::move(found->second);
    held_.erase(found);
    return fd;
}

bool KeptSockets::keep(const std::string& name, int fd) {
    return notify("FDSTORE=1\nFDNAME=" + name, fd);
}

}  // namespace anyswan::net
