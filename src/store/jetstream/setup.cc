// SPDX-License-Identifier: Apache-2.0
#include "store/jetstream/setup.h"

#include <algorithm>

namespace anyswan::store::js {
namespace {

/// All servers of a cluster answer a ping within this.
constexpr Duration ping_wait = 300ms;
constexpr Duration api_timeout = 1s;

}  // namespace

void Setup::run(const std::string& server_id, Done done) {
    check(!done_, "setup is running");
    done_ = std::move(done);
    server_id_ = server_id;
    const auto streams = [this] {
        ensure_stream(Bucket::facts, [this](StreamInfo facts) {
            facts_ = std::move(facts);
            ensure_stream(Bucket::claims, [this](StreamInfo claims) { on_claims(claims); });
        });
    };
    if (checked_server_id_ == server_id_) {
        streams();
    } else if (context_.config.replicas > 1) {
        // Before a stream is created that these servers would break.
        ask_versions([this, streams](const std::vector<ServerSeen>& servers) {
            if (auto refusal = refuse_servers(servers, context_.config.replicas)) {
                finish(Unexpected{*refusal});
            } else {
                streams();
            }
        });
    } else {
        ask_versions([](const auto&) {});  // for describe(); nobody waits
        streams();
    }
}

void Setup::ask_versions(std::function<void(const std::vector<ServerSeen>&)> next) {
    // A question that any account may ask; servers without a client of ours answer it only so.
    context_.requests.ask_all({.subject = "$SYS.REQ.ACCOUNT.PING.STATZ",
                               .reply = {},
                               .payload = to_bytes(R"({"include_unused":true})"),
                               .header = {},
                               .header_value = {}},
                              ping_wait,
                              [this, next = std::move(next)](std::vector<LinkMessage> answers) {
                                  std::vector<ServerSeen> servers;
                                  for (const LinkMessage& answer : answers) {
                                      if (auto seen = parse_ping(answer.payload)) {
                                          servers.push_back(std::move(*seen));
                                      }
                                  }
                                  if (!servers.empty()) {
                                      servers_ = servers;
                                  }
                                  next(servers);
                              });
}

void Setup::ensure_stream(Bucket bucket, std::function<void(StreamInfo)> next) {
    context_.ask_api("STREAM.INFO." + context_.stream(bucket), "", api_timeout,
                     [this, bucket, next = std::move(next)](const Answer& answer) {
                         if (answer) {
                             const auto info = parse_stream_info(answer->payload, context_.names,
                                                                 bucket, context_.config.replicas);
                             if (!info && info.error().kind == ApiErrorKind::not_found) {
                                 create(bucket, next);
                                 return;
                             }
                         }
                         accept(bucket, answer, next);
                     });
}

void Setup::create(Bucket bucket, std::function<void(StreamInfo)> next) {
    context_.ask_api("STREAM.CREATE." + context_.stream(bucket),
                     create_stream(context_.names, bucket, context_.config.replicas), api_timeout,
                     [this, bucket, next = std::move(next)](const Answer& answer) {
                         accept(bucket, answer, next);
                     });
}

void Setup::accept(Bucket bucket, const Answer& answer,
                   const std::function<void(StreamInfo)>& next) {
    const std::string& stream = context_.stream(bucket);
    if (!answer) {
        finish(Unexpected{"JetStream doesn't answer for stream " + stream + ": " +
                          answer.error().text});
        return;
    }
    auto info =
        parse_stream_info(answer->payload, context_.names, bucket, context_.config.replicas);
    if (!info) {
        finish(Unexpected{"stream " + stream + ": " + info.error().text});
        return;
    }
    if (!info->wrong.empty()) {
        std::string text = "stream " + stream + " is not as this release needs it:";
        for (const std::string& wrong : info->wrong) {
            text += " " + wrong + ";";
        }
        finish(Unexpected{text + " edit or delete it, or choose another fleet name"});
        return;
    }
    next(std::move(*info));
}

void Setup::on_claims(StreamInfo claims) {
    // Somebody else may have made the streams with more replicas than we were told.
    const int replicas = std::max(facts_.replicas, claims.replicas);
    replicas_ = replicas;
    if (replicas <= 1 || context_.config.replicas > 1 || checked_server_id_ == server_id_) {
        finish(Ready{std::move(facts_), std::move(claims)});
        return;
    }
    ask_versions(
        [this, replicas, claims = std::move(claims)](const std::vector<ServerSeen>& servers) {
            if (auto refusal = refuse_servers(servers, replicas)) {
                finish(Unexpected{*refusal});
            } else {
                finish(Ready{std::move(facts_), claims});
            }
        });
}

void Setup::recheck(std::function<void(std::string why)> refused) {
    if (replicas_ <= 1) {
        return;
    }
    ask_versions([this, refused = std::move(refused)](const std::vector<ServerSeen>& servers) {
        // Who doesn't answer now is found by the polls.
        auto refusal = refuse_servers(servers, replicas_);
        if (refusal && servers.size() > static_cast<std::size_t>(replicas_ / 2)) {
            checked_server_id_.clear();
            refused(std::move(*refusal));
        }
    });
}

void Setup::finish(Expected<Ready, std::string> result) {
    checked_server_id_ = result ? server_id_ : "";
    const Done done = std::exchange(done_, nullptr);
    done(std::move(result));
}

}  // namespace anyswan::store::js
