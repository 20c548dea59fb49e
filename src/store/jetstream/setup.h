// SPDX-License-Identifier: Apache-2.0
// After a connection is made and before anything is written: are the servers fit for our
// compare-and-swap, are the streams there and as they must be? Creates them if they are not there.
#pragma once

#include <set>

#include "store/jetstream/context.h"

namespace anyswan::store::js {

struct Ready {
    StreamInfo facts;
    StreamInfo claims;
};

class Setup {
public:
    using Done = std::function<void(Expected<Ready, std::string>)>;

    explicit Setup(const Context& context) : context_(context) {}

    /// One run at a time. `server_id` is that of the present connection.
    void run(const std::string& server_id, Done done);
    [[nodiscard]] bool running() const { return static_cast<bool>(done_); }
    /// Asks the versions again: a server may have been replaced by an older one. `refused` runs if
    /// they are not fit any more.
    void recheck(std::function<void(std::string why)> refused);
    /// Who answered last: for describe().
    [[nodiscard]] const std::vector<ServerSeen>& servers() const { return servers_; }

private:
    /// `next` may refuse what answered; an empty list if nobody did.
    void ask_versions(std::function<void(const std::vector<ServerSeen>&)> next);
    void ensure_stream(Bucket bucket, std::function<void(StreamInfo)> next);
    void create(Bucket bucket, std::function<void(StreamInfo)> next);
    void accept(Bucket bucket, const Answer& answer, const std::function<void(StreamInfo)>& next);
    void on_claims(StreamInfo claims);
    void finish(Expected<Ready, std::string> result);

    const Context& context_;
    Done done_;
    std::string server_id_;
    std::string checked_server_id_;  // versions were asked when connected to this one
    std::vector<ServerSeen> servers_;
    StreamInfo facts_;
    int replicas_ = 1;  // of the streams there are
};

}  // namespace anyswan::store::js
