// SPDX-License-Identifier: Apache-2.0
#include "cli/trace.h"

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <thread>

#include "api/http_client.h"
#include "api/json.h"
#include "core/trace/tracer.h"

namespace anyswan::cli {

namespace {

using api::Json;
using wire::pcap::UdpDatagram;

constexpr std::chrono::milliseconds poll_period{200};
// Of a request to the daemon, which takes 4 MiB: hexadecimal doubles it.
constexpr std::size_t batch_size_max = 1U << 20U;

int complain(const std::string& message) {
    std::fprintf(stderr, "%s\n", message.c_str());
    return 1;
}

Result<std::string> read_all(const std::string& path) {
    if (path == "-") {
        return std::string(std::istreambuf_iterator<char>(std::cin), {});
    }
    std::ifstream in(path, std::ios::binary);
    std::string content((std::istreambuf_iterator<char>(in)), {});
    if (!in) {
        return fail("cannot read " + path + "; is it there, and a file?");
    }
    return content;
}

void show(const Common& common, const std::string& peer, const std::string& text) {
    if (common.json) {
        std::puts(Json{{"peer", peer}, {"text", text}}.dump().c_str());
    } else {
        std::fputs(text.c_str(), stdout);
    }
}

/// The IKE datagrams of the file, of the peer that was asked for.
Result<std::vector<UdpDatagram>> ike_datagrams(const TraceOptions& options) {
    const Result<std::string> file = read_all(options.capture);
    if (!file) {
        return Unexpected{file.error()};
    }
    Result<wire::pcap::Capture> capture = wire::pcap::read_capture(as_bytes(*file));
    if (!capture) {
        return fail(options.capture + ": " + capture.error().message);
    }
    if (capture->truncated) {
        complain(options.capture + " breaks off in the middle of a packet; shown up to there");
    }
    const auto unwanted = [&options](const UdpDatagram& datagram) {
        return !trace::ike_in(datagram) ||
               (!options.peer.empty() && datagram.from.address.to_string() != options.peer &&
                datagram.to.address.to_string() != options.peer);
    };
    std::erase_if(capture->datagrams, unwanted);
    return std::move(capture->datagrams);
}

/// Asks the daemon, in pieces that it takes.
Result<std::vector<std::string>> explain(const Common& common,
                                         std::span<const UdpDatagram> datagrams) {
    std::vector<std::string> texts;
    while (!datagrams.empty()) {
        std::size_t count = 0;
        for (std::size_t size = 0; count < datagrams.size() && size < batch_size_max; ++count) {
            size += datagrams[count].payload.size() + 100;
        }
        const std::string body = api::capture_json(datagrams.first(count)).dump();
        const auto response = api::call(common.api, {"POST", "/v1/trace", body});
        if (!response) {
            return Unexpected{response.error()};
        }
        const Json json = Json::parse(response->body, nullptr, false);
        if (response->status != 200) {
            return fail(json.is_object() ? json.value("error", response->body) : response->body);
        }
        const auto answered = json.at("texts").get<std::vector<std::string>>();
        texts.insert(texts.end(), answered.begin(), answered.end());
        datagrams = datagrams.subspan(count);
    }
    return texts;
}

std::vector<std::string> explain_here(const trace::KeyTable& keys,
                                      std::span<const UdpDatagram> datagrams) {
    trace::Tracer tracer([&keys](ike::SpiPair spis) -> std::optional<ike::ReadingKeys> {
        const auto found = keys.find(spis);
        return found == keys.end() ? std::nullopt
                                   : std::optional(ike::ReadingKeys{{}, found->second.clone()});
    });
    std::vector<std::string> texts;
    for (const UdpDatagram& datagram : datagrams) {
        texts.push_back(tracer.describe(datagram));
    }
    return texts;
}

int trace_file(const Common& common, const TraceOptions& options) {
    const auto datagrams = ike_datagrams(options);
    if (!datagrams) {
        return complain(datagrams.error().message);
    }
    std::vector<std::string> texts;
    if (!options.keys.empty()) {
        const Result<std::string> table = read_all(options.keys);
        const auto keys = table ? trace::read_key_table(*table)
                                : Result<trace::KeyTable>(Unexpected{table.error()});
        if (!keys) {
            return complain(table ? options.keys + ": " + keys.error().message
                                  : keys.error().message);
        }
        texts = explain_here(*keys, *datagrams);
    } else if (auto asked = explain(common, *datagrams)) {
        texts = std::move(*asked);
    } else {
        complain("what is encrypted stays closed: " + asked.error().message);
        texts = explain_here({}, *datagrams);
    }
    for (std::size_t i = 0; i < texts.size(); ++i) {
        show(common, (*datagrams)[i].from.address.to_string(), texts[i]);
    }
    if (texts.empty()) {
        complain("no IKE message in " + options.capture +
                 (options.peer.empty() ? "" : " from or to " + options.peer) +
                 "; looked at UDP ports 500 and 4500");
    }
    return 0;
}

int trace_live(const Common& common, const TraceOptions& options) {
    std::uint64_t next = 0;
    std::size_t shown = 0;
    for (;;) {
        const auto response =
            api::call(common.api, {"GET", "/v1/trace/" + std::to_string(next), ""});
        if (!response) {
            return complain(response.error().message);
        }
        const Json json = Json::parse(response->body, nullptr, false);
        if (response->status != 200) {
            return complain(json.is_object() ? json.value("error", response->body)
                                             : response->body);
        }
        if (next == 0) {
            complain("watching; Ctrl-C ends");
        } else if (const auto missed = json.at("missed").get<std::uint64_t>(); missed > 0) {
            complain(std::to_string(missed) + " messages came too fast and are not shown");
        }
        next = json.at("next");
        for (const Json& message : json.at("messages")) {
            const std::string peer = message.at("peer");
            if (!options.peer.empty() && peer != options.peer) {
                continue;
            }
            show(common, peer, message.at("text"));
            if (++shown == options.count) {
                return 0;
            }
        }
        std::fflush(stdout);
        std::this_thread::sleep_for(poll_period);
    }
}

}  // namespace

int trace(const Common& common, const TraceOptions& options) {
    return options.capture.empty() ? trace_live(common, options) : trace_file(common, options);
}

}  // namespace anyswan::cli
