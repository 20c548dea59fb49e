// SPDX-License-Identifier: Apache-2.0
// Revocation lists by URL: fetched when they are due, checked, and shared with the fleet as facts,
// so that each list is fetched by one edge and an edge that can't reach the CA has it too. What the
// engine sees are the tunnels of TunnelTable with the lists in them.
#pragma once

#include <map>
#include <set>

#include "base/random.h"
#include "core/sa/records.h"
#include "edge/tunnel_table.h"

namespace anyswan::edge {

/// Larger lists don't fit into a record.
inline constexpr std::size_t crl_size_max = std::size_t{480} * 1024;

class Crls {
public:
    using Fetched = std::function<void(Result<Bytes>)>;
    struct Parts {
        Random& random;
        TunnelTable& tunnels;
        /// Gets the body behind the URL; `done` runs on the loop.
        std::function<void(const std::string& url, Fetched done)> fetch;
        /// Writes the fact; it comes back by on_record.
        std::function<void(sa::CrlRecord)> put;
        std::function<Now()> clock;
    };
    explicit Crls(Parts parts) : parts_(std::move(parts)) {}

    /// A certificate of a peer names this URL, and its tunnel wants that (crl_points).
    void want(const std::string& url) { points_.insert(url); }
    void on_record(const sa::CrlRecord& record);
    /// Begins to fetch what is due; call it about once a second.
    void look(Now now);
    [[nodiscard]] const std::map<std::string, std::uint64_t>& counters() const { return counters_; }

private:
    struct List {
        std::optional<sa::CrlRecord> record;
        Instant next_try;
        bool planned = false;
        bool busy = false;
        unsigned failures = 0;  // since the last success
    };

    [[nodiscard]] std::set<std::string> wanted() const;
    void plan(List& list, Now now);
    void on_fetched(const std::string& url, Result<Bytes> body);
    /// Why a fetched list isn't taken.
    [[nodiscard]] std::optional<std::string> problem(const std::string& url,
                                                     const crypto::Crl& crl) const;

    Parts parts_;
    std::map<std::string, List> lists_;
    std::set<std::string> points_;
    std::map<std::string, std::uint64_t> counters_;
};

}  // namespace anyswan::edge
