// SPDX-License-Identifier: Apache-2.0
#include "net/netlink_socket.h"

#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "net/netlink_attributes.h"

namespace anyswan::net {

namespace {

constexpr std::size_t receive_size = 65536;
/// Of one system call. The kernel works through a chunk before it returns.
constexpr std::size_t chunk_max = 64;
constexpr time_t answer_timeout_s = 5;

/// The message that an extended acknowledgement carries, behind the nlmsgerr.
std::string extended_words(const nlmsghdr* header) {
    if ((header->nlmsg_flags & NLM_F_ACK_TLVS) == 0) {
        return "";
    }
    const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(header));
    std::size_t skip = sizeof(nlmsgerr);
    if ((header->nlmsg_flags & NLM_F_CAPPED) == 0) {
        skip += error->msg.nlmsg_len - sizeof(nlmsghdr);
    }
    std::string words;
    for_each_attribute(header, skip, [&](const nlattr* attribute) {
        if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG) {
            words = mnl_attr_get_str(attribute);
        }
    });
    return words;
}

}  // namespace

void NetlinkSocket::Close::operator()(mnl_socket* socket) const {
    mnl_socket_close(socket);
}

NetlinkSocket::NetlinkSocket(std::unique_ptr<mnl_socket, Close> socket)
    : socket_(std::move(socket)), chunk_(chunk_max), buffer_(receive_size) {}

Result<NetlinkSocket> NetlinkSocket::open(int protocol, std::span<const unsigned> groups,
                                          int buffer) {
    std::unique_ptr<mnl_socket, Close> socket(
        mnl_socket_open2(protocol, SOCK_CLOEXEC | (groups.empty() ? 0 : SOCK_NONBLOCK)));
    if (socket == nullptr || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) != 0) {
        return fail_errno("open netlink socket");
    }
    const int fd = mnl_socket_get_fd(socket.get());
    const timeval timeout{answer_timeout_s, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    for (const int option : {SO_RCVBUF, SO_RCVBUFFORCE}) {
        setsockopt(fd, SOL_SOCKET, option, &buffer, sizeof buffer);
    }
    for (const int option : {SO_SNDBUF, SO_SNDBUFFORCE}) {
        setsockopt(fd, SOL_SOCKET, option, &netlink_buffer, sizeof netlink_buffer);
    }
    int on = 1;
    // A refusal repeats the request unless it is capped; requests hold keys (N7).
    mnl_socket_setsockopt(socket.get(), NETLINK_CAP_ACK, &on, sizeof on);
    mnl_socket_setsockopt(socket.get(), NETLINK_EXT_ACK, &on, sizeof on);
    for (const unsigned group : groups) {
        int number = static_cast<int>(group);
        if (mnl_socket_setsockopt(socket.get(), NETLINK_ADD_MEMBERSHIP, &number, sizeof number) !=
            0) {
            return fail_errno("join netlink group " + std::to_string(group));
        }
    }
    return NetlinkSocket(std::move(socket));
}

int NetlinkSocket::fd() const {
    return mnl_socket_get_fd(socket_.get());
}

std::vector<NetlinkAnswer> NetlinkSocket::run(std::span<Secret> requests) {
    std::vector<NetlinkAnswer> answers(requests.size());
    for (std::size_t begin = 0; begin < requests.size();) {
        const std::size_t count = std::min(chunk_, requests.size() - begin);
        run_chunk(requests.subspan(begin, count), std::span(answers).subspan(begin, count));
        begin += count;
    }
    return answers;
}

void NetlinkSocket::run_chunk(std::span<Secret> requests, std::span<NetlinkAnswer> answers) {
    std::vector<iovec> vectors;
    const std::uint32_t first = sequence_ + 1;
    for (Secret& request : requests) {
        auto* header = reinterpret_cast<nlmsghdr*>(request.writable().data());
        header->nlmsg_seq = ++sequence_;
        vectors.push_back({request.writable().data(), request.size()});
    }
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    msghdr message{};
    message.msg_name = &kernel;
    message.msg_namelen = sizeof kernel;
    message.msg_iov = vectors.data();
    message.msg_iovlen = vectors.size();
    if (sendmsg(fd(), &message, 0) < 0) {
        std::ranges::fill(answers, NetlinkAnswer{errno, "sending failed"});
        return;
    }
    std::ranges::fill(answers, NetlinkAnswer{ETIMEDOUT, "no answer"});
    std::vector<bool> answered(requests.size());
    while (std::ranges::find(answered, false) != answered.end()) {
        if (!read_answers(answers, answered, first)) {
            // Answers got lost or late: what became of those requests is unknown.
            chunk_ = std::max<std::size_t>(chunk_ / 4, 1);
            for (std::size_t i = 0; i < answers.size(); ++i) {
                if (!answered[i]) {
                    answers[i] = {errno == ENOBUFS ? ENOBUFS : ETIMEDOUT, "its answer was lost"};
                }
            }
            return;
        }
    }
}

bool NetlinkSocket::read_answers(std::span<NetlinkAnswer> answers, std::vector<bool>& answered,
                                 std::uint32_t first) {
    const ssize_t got = recv(fd(), buffer_.data(), buffer_.size(), 0);
    if (got <= 0) {
        return false;
    }
    int left = static_cast<int>(got);
    for (const auto* header = reinterpret_cast<const nlmsghdr*>(buffer_.data());
         mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
        const std::uint32_t index = header->nlmsg_seq - first;
        if (header->nlmsg_type != NLMSG_ERROR || index >= answers.size()) {
            continue;  // a late answer to something before
        }
        const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(header));
        answers[index] = {-error->error, extended_words(header)};
        answered[index] = true;
    }
    return true;
}

Status NetlinkSocket::ask(Secret request, const std::function<void(ByteView)>& each) {
    auto* asked = reinterpret_cast<nlmsghdr*>(request.writable().data());
    asked->nlmsg_seq = ++sequence_;
    const bool dump = (asked->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    if (mnl_socket_sendto(socket_.get(), asked, request.size()) < 0) {
        return fail_errno("ask the kernel");
    }
    for (;;) {
        const ssize_t got = recv(fd(), buffer_.data(), buffer_.size(), 0);
        if (got <= 0) {
            return fail_errno("read the kernel's answer");
        }
        int left = static_cast<int>(got);
        for (const auto* header = reinterpret_cast<const nlmsghdr*>(buffer_.data());
             mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
            if (header->nlmsg_seq != sequence_) {
                continue;
            }
            if (header->nlmsg_type == NLMSG_ERROR) {
                const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(header));
                return error->error == 0 ? Status{} : fail(errno_text(-error->error));
            }
            if (header->nlmsg_type == NLMSG_DONE) {
                return {};
            }
            each({reinterpret_cast<const std::uint8_t*>(header), header->nlmsg_len});
            if (!dump) {
                return {};
            }
        }
        wipe(buffer_);  // dumps hold keys
    }
}

bool NetlinkSocket::receive(const std::function<void(ByteView)>& each) {
    for (;;) {
        const ssize_t got = recv(fd(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
        if (got <= 0) {
            return got == 0 || errno != ENOBUFS;
        }
        int left = static_cast<int>(got);
        for (const auto* header = reinterpret_cast<const nlmsghdr*>(buffer_.data());
             mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
            each({reinterpret_cast<const std::uint8_t*>(header), header->nlmsg_len});
        }
    }
}

}  // namespace anyswan::net
