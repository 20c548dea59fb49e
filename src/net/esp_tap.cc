// SPDX-License-Identifier: Apache-2.0
#include "net/esp_tap.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>

namespace anyswan::net {

namespace {

constexpr std::uint32_t spis_max = 1U << 18U;
constexpr int receive_buffer = 4 << 20;
constexpr std::size_t packet_max = 65536;
constexpr std::int32_t esp = 50;
constexpr std::int32_t udp = 17;
constexpr std::int32_t loopback_index = 1;  // in every network namespace
constexpr std::int32_t whole_packet = 0x40000;
constexpr std::int32_t fragment_bits = 0x3fff;  // more fragments, offset

int bpf(bpf_cmd command, bpf_attr& attr) {
    return static_cast<int>(syscall(SYS_bpf, command, &attr, sizeof attr));
}

std::uint64_t pointer(const void* address) {
    return reinterpret_cast<std::uintptr_t>(address);
}

/// Instructions of a socket filter; those that end it with "no" are patched at the end.
class Program {
public:
    void add(unsigned code, unsigned target, unsigned source, int offset, std::int32_t value) {
        bpf_insn one{};
        one.code = static_cast<std::uint8_t>(code);
        one.dst_reg = target & 0xfU;
        one.src_reg = source & 0xfU;
        one.off = static_cast<std::int16_t>(offset);
        one.imm = value;
        list_.push_back(one);
    }
    void move(unsigned target, unsigned source) {
        add(BPF_ALU64 | BPF_MOV | BPF_X, target, source, 0, 0);
    }
    void set(unsigned target, std::int32_t value) {
        add(BPF_ALU64 | BPF_MOV | BPF_K, target, 0, 0, value);
    }
    void math(unsigned operation, unsigned target, std::int32_t value) {
        add(BPF_ALU64 | operation | BPF_K, target, 0, 0, value);
    }
    /// r0 = the packet's bytes at `offset` (plus r8), in host order. Ends with "no" behind the end.
    void load(unsigned size, std::int32_t offset) { add(BPF_LD | BPF_ABS | size, 0, 0, 0, offset); }
    void load_behind_r8(unsigned size, std::int32_t offset) {
        add(BPF_LD | BPF_IND | size, 0, 8, 0, offset);
    }
    void load_context(std::size_t offset) {
        add(BPF_LDX | BPF_MEM | BPF_W, 0, 6, static_cast<int>(offset), 0);
    }
    /// Jumps over the next `skip` instructions if r0 (32 bits) is, or is not, `value`.
    void skip_if(unsigned comparison, std::uint32_t value, int skip, unsigned of = 0) {
        add(BPF_JMP32 | comparison | BPF_K, of, 0, skip, static_cast<std::int32_t>(value));
    }
    void no_unless(std::uint32_t value) {
        no_.push_back(list_.size());
        skip_if(BPF_JNE, value, 0);
    }
    void no_if(std::uint32_t value) {
        no_.push_back(list_.size());
        skip_if(BPF_JEQ, value, 0);
    }
    /// After a look into a map: r0 is a pointer.
    void no_if_found() {
        no_.push_back(list_.size());
        add(BPF_JMP | BPF_JNE | BPF_K, 0, 0, 0, 0);
    }
    void always_no() {
        no_.push_back(list_.size());
        add(BPF_JMP | BPF_JA, 0, 0, 0, 0);
    }
    void load_map(unsigned target, int map) {
        add(BPF_LD | BPF_DW | BPF_IMM, target, BPF_PSEUDO_MAP_FD, 0, map);
        add(0, 0, 0, 0, 0);
    }
    [[nodiscard]] std::size_t size() const { return list_.size(); }
    /// Lets the jump at `index` lead to where the program has come.
    void lands_here(std::size_t index) {
        list_[index].off = static_cast<std::int16_t>(list_.size() - index - 1);
    }
    /// The whole program: nothing comes through.
    void never() {
        set(0, 0);
        add(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    }
    void end() {
        set(0, whole_packet);
        add(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
        for (const std::size_t index : no_) {
            lands_here(index);
        }
        never();
    }
    [[nodiscard]] const std::vector<bpf_insn>& list() const { return list_; }

private:
    std::vector<bpf_insn> list_;
    std::vector<std::size_t> no_;
};

std::uint32_t word_of(const IpAddress& address, std::size_t index) {
    std::uint32_t word = 0;
    std::memcpy(&word, address.bytes().data() + index * 4, sizeof word);
    return ntohl(word);
}

/// Ends with "no" unless the destination, at `offset`, is one of the addresses.
void check_destination(Program& program, std::span<const IpAddress> addresses,
                       std::int32_t offset) {
    std::vector<std::size_t> found;
    for (const IpAddress& address : addresses) {
        const std::size_t words = address.bytes().size() / 4;
        std::vector<std::size_t> another;
        for (std::size_t i = 0; i < words; ++i) {
            program.load(BPF_W, offset + static_cast<std::int32_t>(i) * 4);
            another.push_back(program.size());
            program.skip_if(BPF_JNE, word_of(address, i), 0);
        }
        found.push_back(program.size());
        program.add(BPF_JMP | BPF_JA, 0, 0, 0, 0);
        for (const std::size_t index : another) {
            program.lands_here(index);
        }
    }
    program.always_no();
    for (const std::size_t index : found) {
        program.lands_here(index);
    }
}

/// r6: context, r7: protocol, r8: where the next layer begins.
Program program_for(IpFamily family, std::span<const IpAddress> addresses, std::uint16_t natt_port,
                    int map) {
    const bool v4 = family == IpFamily::v4;
    Program program;
    if (addresses.empty()) {
        program.never();
        return program;
    }
    program.move(6, 1);
    program.load_context(offsetof(__sk_buff, pkt_type));
    program.no_unless(PACKET_HOST);
    program.load_context(offsetof(__sk_buff, ifindex));
    program.no_if(loopback_index);  // what was given back to the kernel comes in there
    program.load(BPF_B, v4 ? 9 : 6);
    program.move(7, 0);
    program.skip_if(BPF_JEQ, esp, 1);
    program.no_unless(udp);
    const bool any = std::ranges::any_of(
        addresses, [](const IpAddress& address) { return address.is_unspecified(); });
    if (!any) {
        check_destination(program, addresses, v4 ? 16 : 24);
    }
    if (v4) {
        program.load(BPF_H, 6);
        program.math(BPF_AND, 0, fragment_bits);
        program.no_unless(0);
        program.load(BPF_B, 0);
        program.math(BPF_AND, 0, 0xf);
        program.math(BPF_LSH, 0, 2);
        program.move(8, 0);
    } else {
        program.set(8, 40);
    }
    program.skip_if(BPF_JEQ, esp, 3, 7);
    program.load_behind_r8(BPF_H, 2);
    program.no_unless(natt_port);
    program.math(BPF_ADD, 8, 8);
    program.load_behind_r8(BPF_W, 0);
    program.no_if(0);  // RFC 3948 2.2: the non-ESP marker
    program.add(BPF_STX | BPF_MEM | BPF_W, 10, 0, -4, 0);
    program.load_map(1, map);
    program.move(2, 10);
    program.math(BPF_ADD, 2, -4);
    program.add(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem);
    program.no_if_found();
    program.end();
    return program;
}

Result<Fd> make_map() {
    bpf_attr attr{};
    attr.map_type = BPF_MAP_TYPE_HASH;
    attr.key_size = sizeof(std::uint32_t);
    attr.value_size = sizeof(std::uint8_t);
    attr.max_entries = spis_max;
    attr.map_flags = BPF_F_NO_PREALLOC;
    Fd map(bpf(BPF_MAP_CREATE, attr));
    return map.valid() ? Result<Fd>(std::move(map))
                       : fail_errno("make a BPF map (needs CAP_BPF and CONFIG_BPF_SYSCALL)");
}

Result<Fd> load(const Program& program) {
    constexpr char licence[] = "Apache-2.0";
    bpf_attr attr{};
    attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
    attr.insns = pointer(program.list().data());
    attr.insn_cnt = static_cast<std::uint32_t>(program.size());
    attr.license = pointer(licence);
    Fd loaded(bpf(BPF_PROG_LOAD, attr));
    return loaded.valid() ? Result<Fd>(std::move(loaded))
                          : fail_errno("load a BPF socket filter (needs Linux 5.1)");
}

/// The filter is there before the socket gets packets.
Result<Fd> open_socket(const Program& program, std::uint16_t ether_type) {
    auto filter = load(program);
    if (!filter) {
        return Unexpected{filter.error()};
    }
    Fd fd(socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd.valid()) {
        return fail_errno("open a packet socket (needs CAP_NET_RAW and CONFIG_PACKET)");
    }
    const int number = filter->get();
    if (setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_BPF, &number, sizeof number) != 0) {
        return fail_errno("attach a BPF filter to a packet socket");
    }
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_ll all{};
    all.sll_family = AF_PACKET;
    all.sll_protocol = htons(ether_type);
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&all), sizeof all) != 0) {
        return fail_errno("bind a packet socket");
    }
    return fd;
}

}  // namespace

EspTap::EspTap(Fd map, Fd v4, Fd v6)
    : map_(std::move(map)), v4_(std::move(v4)), v6_(std::move(v6)), buffer_(packet_max) {}

Result<EspTap> EspTap::open(std::span<const IpAddress> addresses, std::uint16_t natt_port) {
    std::vector<IpAddress> of_family[2];
    for (const IpAddress& address : addresses) {
        of_family[address.is_v4() ? 0 : 1].push_back(address);
    }
    auto map = make_map();
    if (!map) {
        return Unexpected{map.error()};
    }
    auto v4 = open_socket(program_for(IpFamily::v4, of_family[0], natt_port, map->get()), ETH_P_IP);
    auto v6 =
        open_socket(program_for(IpFamily::v6, of_family[1], natt_port, map->get()), ETH_P_IPV6);
    if (!v4 || !v6) {
        return Unexpected{!v4 ? v4.error() : v6.error()};
    }
    return EspTap(std::move(*map), std::move(*v4), std::move(*v6));
}

bool EspTap::know(EspSpi spi) const {
    const std::uint32_t key = spi.value();
    const std::uint8_t value = 1;
    bpf_attr attr{};
    attr.map_fd = static_cast<std::uint32_t>(map_.get());
    attr.key = pointer(&key);
    attr.value = pointer(&value);
    attr.flags = BPF_ANY;
    return bpf(BPF_MAP_UPDATE_ELEM, attr) == 0;
}

void EspTap::forget(EspSpi spi) const {
    const std::uint32_t key = spi.value();
    bpf_attr attr{};
    attr.map_fd = static_cast<std::uint32_t>(map_.get());
    attr.key = pointer(&key);
    (void)bpf(BPF_MAP_DELETE_ELEM, attr);  // it may never have been known
}

bool EspTap::receive(std::size_t count_max, const std::function<void(MutableBytes)>& each) {
    std::size_t count = 0;
    for (const Fd* fd : {&v4_, &v6_}) {
        while (count < count_max) {
            const ssize_t got = recv(fd->get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
            if (got < 0) {
                break;
            }
            ++count;
            each(MutableBytes(buffer_).first(static_cast<std::size_t>(got)));
        }
    }
    return count == count_max;
}

}  // namespace anyswan::net
