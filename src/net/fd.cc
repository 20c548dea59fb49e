// SPDX-License-Identifier: Apache-2.0
#include "net/fd.h"

#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace anyswan::net {

Fd& Fd::operator=(Fd&& other) noexcept {
    if (this != &other) {
        close();
        fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
}

void Fd::close() {
    if (fd_ >= 0) {
        ::close(std::exchange(fd_, -1));
    }
}

std::string errno_text(int error) {
    return std::generic_category().message(error);
}

Unexpected<Error> fail_errno(const std::string& what) {
    return fail(what + ": " + errno_text(errno));
}

}  // namespace anyswan::net
