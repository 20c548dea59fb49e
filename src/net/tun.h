// SPDX-License-Identifier: Apache-2.0
// A TUN interface: what we write arrives in the Linux network stack, what the stack routes to the
// interface we read, one IP packet each. The interface lives as long as this object.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "net/fd.h"

namespace anyswan::net {

/// IFNAMSIZ without the final zero.
inline constexpr std::size_t interface_name_max = 15;

class Tun {
public:
    /// Makes an interface that doesn't exist yet; it is down. Needs CAP_NET_ADMIN and /dev/net/tun.
    static Result<Tun> create(const std::string& name);

    /// One packet into `space`: its size, or 0 if there is none now. Nothing: the interface is gone
    /// (somebody deleted it).
    [[nodiscard]] std::optional<std::size_t> read(MutableBytes space) const;
    /// False: the stack didn't take it (interface down, out of memory).
    [[nodiscard]] bool write(ByteView packet) const;

    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] unsigned index() const { return index_; }

private:
    Tun(Fd fd, std::string name, unsigned index);
    Fd fd_;
    std::string name_;
    unsigned index_;
};

/// `prefix` and `account`, shortened with a hash if they have more than 15 characters together.
/// `prefix` has at most 8 (checked).
[[nodiscard]] std::string interface_name(const std::string& prefix, const std::string& account);

}  // namespace anyswan::net
