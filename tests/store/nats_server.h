// SPDX-License-Identifier: Apache-2.0
// Real nats-servers as children of a test, on loopback ports, with folders of their own that are
// removed in the end: to be killed, frozen, or given an older copy of their data.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace anyswan::store {

/// A port that was free a moment ago.
[[nodiscard]] std::uint16_t free_port();

/// A new folder under the system's one for temporary files, removed with its contents at the end.
class TemporaryFolder {
public:
    TemporaryFolder();
    ~TemporaryFolder();
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

class NatsServer {
public:
    /// `binary` from ANYSWAN_NATS_SERVER or the system's; `values` fill in the template beside
    /// @NAME@, @PORT@ and @DIR@. Doesn't start it.
    NatsServer(std::string binary, std::string config_template, std::string name,
               std::map<std::string, std::string> values = {});
    ~NatsServer();
    NatsServer(const NatsServer&) = delete;
    NatsServer& operator=(const NatsServer&) = delete;

    /// Returns when it accepts connections.
    void start();
    /// SIGKILL: what was not written is lost.
    void kill();
    void freeze();
    void thaw();

    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] std::string url() const { return url_at(port_); }
    /// The same server through another port, e.g. of a Proxy.
    [[nodiscard]] static std::string url_at(std::uint16_t port);
    [[nodiscard]] const std::string& name() const { return name_; }

    // While it is not running:
    /// Copies its data away.
    void save_copy();
    /// Puts the copy back: a store restored from a backup.
    void restore_copy();
    void lose_data();

private:
    std::string binary_;
    std::string config_;
    std::string name_;
    TemporaryFolder folder_;
    std::uint16_t port_;
    pid_t pid_ = 0;
};

/// The system's nats-server.
[[nodiscard]] std::string system_nats_server();
/// One server alone.
[[nodiscard]] std::unique_ptr<NatsServer> make_single_server();

}  // namespace anyswan::store
