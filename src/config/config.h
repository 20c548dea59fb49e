// SPDX-License-Identifier: Apache-2.0
// The configuration files: an edge's, a branch connector's (`anyswan peer`) and the list of tunnels
// that `anyswan apply` takes. docs/configuration.md shows each with every option.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "core/sa/envelope.h"
#include "core/sa/records.h"

namespace anyswan::config {

struct SqliteStore {
    std::string path;
};
struct NatsStore {
    std::vector<std::string> urls;
    std::string fleet = "anyswan";  // prefix of the buckets and subjects
    int replicas = 1;
    std::string user;
    Secret password;
    std::string ca_file, cert_file, key_file;
};
struct MemoryStore {};
using StoreChoice = std::variant<SqliteStore, NatsStore, MemoryStore>;

enum class DataplaneType : std::uint8_t {
    userspace,
    xfrm,           // the kernel, with an xfrm interface
    xfrm_policies,  // the kernel, by policies and marks, where there is no such interface
    automatic       // xfrm if this kernel can serve, else userspace
};

struct DataplaneOptions {
    DataplaneType type = DataplaneType::userspace;
    std::uint16_t tun_mtu = 0;  // 0: from the outer MTU
    std::uint16_t outer_mtu = 1500;
    bool raw_esp = true;  // ESP without UDP where no NAT is in the way
    bool main_table_routes = false;
    std::string tun_prefix = "as";
    std::uint32_t nat_keepalive_s = 20;  // behind a NAT; 0: none
};

struct EdgeConfig {
    std::string name;
    EdgeId id;
    std::string site;
    IpAddress address;               // unicast; shown to people and other edges
    std::vector<IpAddress> anycast;  // what peers speak to; put on lo when ready
    bool announce = true;            // whether the edge puts the anycast addresses on lo itself
    std::vector<std::string> announce_hook;  // run with "up" or "down"; empty: none
    std::string api_socket;
    std::string state_dir;
    std::string log_level = "info";
    StoreChoice store;
    sa::FleetKeys fleet_keys;
    DataplaneOptions dataplane;
    std::size_t cookie_threshold = 128;
    std::uint32_t half_open_timeout_s = 30;
    std::uint32_t unavailable_grace_ms = 500;
    std::uint32_t redirect_grace_s = 60;
};

/// `anyswan peer`: one machine, its tunnels, which it brings up itself.
struct PeerConfig {
    std::string name;
    IpAddress address;  // to start from; unspecified: as the routes say, also when they change
    IpAddress remote;   // the anycast address
    std::uint16_t remote_port = 500;
    std::string api_socket;
    std::string log_level = "info";
    DataplaneOptions dataplane;
    std::vector<sa::TunnelRecord> tunnels;
};

[[nodiscard]] Result<EdgeConfig> load_edge(const std::string& path);
[[nodiscard]] Result<PeerConfig> load_peer(const std::string& path);
[[nodiscard]] Result<std::vector<sa::TunnelRecord>> load_tunnels(const std::string& path);
/// From text, as the API receives it; `name` stands for the file in messages.
[[nodiscard]] Result<std::vector<sa::TunnelRecord>> parse_tunnels(const std::string& text,
                                                                  const std::string& name);
[[nodiscard]] Result<sa::FleetKeys> load_fleet_keys(const std::string& path);
/// The text of a new fleet key file with one random key.
[[nodiscard]] std::string new_fleet_key_file(Random& random);

}  // namespace anyswan::config
