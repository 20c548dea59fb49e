// SPDX-License-Identifier: Apache-2.0
#include "net/tun.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

namespace anyswan::net {

namespace {

/// FNV-1a; only to tell long names apart.
std::uint32_t hash_of(std::string_view text) {
    std::uint32_t hash = 2166136261U;
    for (const char c : text) {
        hash = (hash ^ static_cast<std::uint8_t>(c)) * 16777619U;
    }
    return hash;
}

}  // namespace

Tun::Tun(Fd fd, std::string name, unsigned index)
    : fd_(std::move(fd)), name_(std::move(name)), index_(index) {}

Result<Tun> Tun::create(const std::string& name) {
    check(!name.empty() && name.size() <= interface_name_max, "interface name");
    const std::string what = "create TUN interface " + name;
    if (if_nametoindex(name.c_str()) != 0) {
        return fail(what + ": an interface of this name exists; choose another prefix");
    }
    Fd fd(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!fd.valid()) {
        return fail_errno(what + ": open /dev/net/tun");
    }
    ifreq request{};
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    std::memcpy(request.ifr_name, name.data(), name.size());
    if (ioctl(fd.get(), TUNSETIFF, &request) != 0) {
        return fail_errno(what + (errno == EPERM ? " (needs CAP_NET_ADMIN)" : ""));
    }
    const unsigned index = if_nametoindex(name.c_str());
    if (index == 0) {
        return fail_errno(what);
    }
    return Tun(std::move(fd), name, index);
}

std::optional<std::size_t> Tun::read(MutableBytes space) const {
    const ssize_t got = ::read(fd_.get(), space.data(), space.size());
    if (got < 0 && errno == EBADFD) {
        return std::nullopt;
    }
    return got > 0 ? static_cast<std::size_t>(got) : 0;
}

bool Tun::write(ByteView packet) const {
    return ::write(fd_.get(), packet.data(), packet.size()) == static_cast<ssize_t>(packet.size());
}

std::string interface_name(const std::string& prefix, const std::string& account) {
    check(prefix.size() <= 8, "interface name prefix");
    if (prefix.size() + account.size() <= interface_name_max) {
        return prefix + account;
    }
    const auto hash = static_cast<std::uint16_t>(hash_of(account) ^ (hash_of(account) >> 16U));
    std::array<std::uint8_t, 2> bytes{};
    store_u16(bytes, hash);
    const std::size_t kept = interface_name_max - prefix.size() - 5;
    return prefix + account.substr(0, kept) + "-" + to_hex(bytes);
}

}  // namespace anyswan::net
