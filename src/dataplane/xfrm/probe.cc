// SPDX-License-Identifier: Apache-2.0
#include "dataplane/xfrm/probe.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <fstream>
#include <thread>
#include <utility>

#include "dataplane/xfrm/kernel.h"
#include "dataplane/xfrm/translate.h"
#include "net/datagram_socket.h"
#include "net/esp_tap.h"
#include "net/raw_ip.h"
#include "net/route_netlink.h"

namespace anyswan::dataplane::xfrm {

namespace {

constexpr unsigned cap_net_admin = 12;
constexpr const char* suites[] = {"aes128gcm16",   "aes256gcm16",   "chacha20poly1305",
                                  "aes256-sha256", "aes256-sha384", "aes256-sha512",
                                  "aes128-sha1",   "null-sha256"};
constexpr const char* usual_suite = "aes256gcm16";

class Findings {
public:
    void add(Finding finding) { list_.push_back(std::move(finding)); }
    void add(const std::string& id, const std::string& what, Need need, const Status& status,
             const std::string& mend) {
        add({id, what, status.has_value(), need, status ? "" : status.error().message,
             status ? "" : mend});
    }
    [[nodiscard]] std::vector<Finding> take() { return std::move(list_); }

private:
    std::vector<Finding> list_;
};

bool has_capability(unsigned number) {
    std::ifstream file("/proc/self/status");
    std::string word;
    while (file >> word) {
        if (word == "CapEff:" && file >> word) {
            return (std::strtoull(word.c_str(), nullptr, 16) >> number & 1U) != 0;
        }
    }
    return false;
}

/// A state with keys of zeros, which nothing will ever use.
State test_state(const crypto::EspSuite& suite, const IpAddress& address) {
    sa::ChildKeys keys{Secret(crypto::encr_key_size(suite.cipher)),
                       Secret(crypto::integ_key_size(suite.cipher))};
    for (std::size_t i = 0; i < keys.encr.size(); ++i) {
        keys.encr.writable()[i] = static_cast<std::uint8_t>(i);
    }
    State state;
    state.id = {address, EspSpi(0x1000)};
    state.source = address;
    state.reqid = own_last;
    state.algorithms = algorithms_of(suite.cipher, keys).value();
    state.esn = suite.esn();
    state.replay.window = 64;
    state.limits.hard_age_s = 5;
    return state;
}

Status try_state(net::NetlinkSocket& socket, const std::string& suite, const IpAddress& address) {
    const State state = test_state(*crypto::parse_esp_suite(suite), address);
    std::vector<Secret> requests;
    requests.push_back(encode_add(state));
    const net::NetlinkAnswer added = socket.run(requests).front();
    if (added.error != 0) {
        return fail(net::errno_text(added.error) +
                    (added.why.empty() ? "" : " (" + added.why + ")"));
    }
    requests.clear();
    requests.push_back(encode_delete(state.id, state.source));
    (void)socket.run(requests);
    return {};
}

void probe_ciphers(net::NetlinkSocket& socket, Findings& findings) {
    const IpAddress v4 = *IpAddress::parse("127.0.0.1");
    findings.add("esp_v4", "ESP over IPv4", Need::all, try_state(socket, usual_suite, v4),
                 "modprobe esp4 (kernel option CONFIG_INET_ESP)");
    findings.add("esp_v6", "ESP over IPv6", Need::nothing,
                 try_state(socket, usual_suite, *IpAddress::parse("::1")),
                 "modprobe esp6 (CONFIG_INET6_ESP)");
    findings.add("esn", "extended sequence numbers", Need::all,
                 try_state(socket, std::string(usual_suite) + "-esn", v4),
                 "what ESP over IPv4 lacks, or a kernel from 2.6.39 on");
    for (const char* suite : suites) {
        findings.add(std::string("cipher_") + suite, std::string("cipher ") + suite, Need::nothing,
                     try_state(socket, suite, v4),
                     "modprobe -a " + modules_of(crypto::parse_esp_suite(suite)->cipher));
    }
}

void probe_interface(Findings& findings) {
    auto netlink = net::RouteNetlink::open();
    Status made = netlink ? Status{} : Status{Unexpected{netlink.error()}};
    Status routed = fail("there is no interface for it");
    if (netlink) {
        const std::string name = "as_probe";
        const auto index = netlink->make_xfrm_interface(name);
        made = index ? Status{} : Status{Unexpected{index.error()}};
        if (index) {
            routed = netlink->set_link_up(*index, {});
            if (routed) {
                routed =
                    netlink->replace_route({*IpPrefix::parse("198.18.0.0/15"), *index,
                                            net::main_table, 10, own_route_protocol, own_first});
            }
            (void)netlink->remove_link(name);
        }
    }
    findings.add("xfrm_interface", "xfrm interface in collect-metadata mode", Need::interface, made,
                 "Linux 6.1 or later with CONFIG_XFRM_INTERFACE: modprobe xfrm_interface");
    findings.add("xfrm_routes", "routes into tunnels (encap xfrm)", Need::interface, routed,
                 "CONFIG_LWTUNNEL, with Linux 6.1 or later");
}

void probe_sockets(Findings& findings) {
    auto udp = net::DatagramSocket::open_udp({*IpAddress::parse("127.0.0.1"), 0});
    Status encap = udp ? udp->give_esp_to_kernel() : Status{Unexpected{udp.error()}};
    findings.add("udp_encap", "ESP in UDP (NAT traversal)", Need::all, encap, "modprobe esp4");
    Status bypass = udp ? udp->bypass_ipsec() : Status{Unexpected{udp.error()}};
    findings.add("bypass", "IPsec bypass for IKE sockets", Need::all, bypass,
                 "give the daemon CAP_NET_ADMIN");
    const auto raw = net::RawIpSender::open();
    findings.add("raw", "raw sockets (CAP_NET_RAW)", Need::all,
                 raw ? Status{} : Status{Unexpected{raw.error()}},
                 "give the daemon CAP_NET_RAW, or run it as root");
    const auto tap = net::EspTap::open(std::vector{*IpAddress::parse("127.0.0.1")}, 4500);
    findings.add(
        "esp_tap", "ESP packets that come before their SA can wait for it", Need::nothing,
        tap ? Status{} : Status{Unexpected{tap.error()}},
        "CONFIG_BPF_SYSCALL and CONFIG_PACKET; give the daemon CAP_BPF, or run it as root");
}

void probe_host(Findings& findings) {
    utsname name{};
    uname(&name);
    findings.add({"kernel", "Linux", true, Need::nothing, name.release, ""});
    findings.add(
        "many_policies", "policies are added as fast among many", Need::nothing,
        adds_policies_at_once(name.release)
            ? Status{}
            : Status{fail("this kernel walks all of them for each new one: from some 5,000 "
                          "tunnels on, each takes noticeably longer")},
        "Linux 6.12 or later, if there are to be that many tunnels");
    findings.add("net_admin", "CAP_NET_ADMIN", Need::all,
                 has_capability(cap_net_admin) ? Status{} : Status{fail("not held")},
                 "run as root, or give the daemon CAP_NET_ADMIN");
    const net::Fd tun(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
    findings.add("tun", "/dev/net/tun", Need::all,
                 tun.valid() ? Status{} : Status{net::fail_errno("open it")},
                 "modprobe tun; in a container, hand the device in");
    const auto filter = net::read_sysctl("ipv4/conf/all/rp_filter");
    findings.add(
        "rp_filter", "net.ipv4.conf.all.rp_filter is not strict", Need::nothing,
        filter != "1" ? Status{} : Status{fail("it is 1: packets from tunnels would be dropped")},
        "sysctl -w net.ipv4.conf.all.rp_filter=0");
    const bool writable = access("/proc/sys/net/ipv4/ip_forward", W_OK) == 0;
    findings.add("sysctl", "network settings can be written", Need::nothing,
                 writable ? Status{} : Status{fail("/proc/sys is read-only")},
                 "mount /proc/sys writable in the container, or set forwarding outside");
    const auto forward = net::read_sysctl("ipv4/ip_forward");
    findings.add("ip_forward", "forwarding is on, or can be switched on", Need::nothing,
                 forward == "1" || writable ? Status{} : Status{fail("it is 0")},
                 "sysctl -w net.ipv4.ip_forward=1");
}

void probe_ipsec(Findings& findings) {
    auto socket = net::NetlinkSocket::open(NETLINK_XFRM);
    findings.add("xfrm_user", "the kernel's IPsec over netlink", Need::all,
                 socket ? Status{} : Status{Unexpected{socket.error()}},
                 "modprobe xfrm_user (CONFIG_XFRM_USER)");
    if (!socket) {
        return;
    }
    probe_ciphers(*socket, findings);
    probe_interface(findings);
    probe_sockets(findings);
}

}  // namespace

bool adds_policies_at_once(std::string_view release) {
    constexpr unsigned first_major = 6;
    constexpr unsigned first_minor = 12;
    unsigned major = 0;
    unsigned minor = 0;
    const char* const end = release.data() + release.size();
    const auto [dot, bad_major] = std::from_chars(release.data(), end, major);
    if (bad_major != std::errc{} || dot == end || *dot != '.' ||
        std::from_chars(dot + 1, end, minor).ec != std::errc{}) {
        return false;
    }
    return std::pair(major, minor) >= std::pair(first_major, first_minor);
}

std::vector<Finding> probe_kernel() {
    Findings findings;
    probe_host(findings);
    std::thread([&] {
        const bool apart = unshare(CLONE_NEWNET) == 0;
        findings.add({"namespace", "a network namespace to try things in", apart, Need::nothing,
                      apart ? "" : "tried in the host's own", ""});
        probe_ipsec(findings);
    }).join();
    return findings.take();
}

Verdict judge(const std::vector<Finding>& findings) {
    const auto lacks = [&](Need need) {
        std::string text;
        for (const Finding& finding : findings) {
            if (!finding.good && finding.need == need) {
                text += (text.empty() ? "" : "; ") + finding.what +
                        (finding.detail.empty() ? "" : ": " + finding.detail);
            }
        }
        return text;
    };
    if (std::string missing = lacks(Need::all); !missing.empty()) {
        return {std::nullopt, "no kernel ESP that the driver could use", std::move(missing)};
    }
    if (std::string missing = lacks(Need::interface); !missing.empty()) {
        return {Mode::policies, "kernel ESP, but no xfrm interface with routes into tunnels",
                std::move(missing)};
    }
    return {Mode::interface, "kernel ESP, xfrm interface and routes into tunnels", ""};
}

}  // namespace anyswan::dataplane::xfrm
