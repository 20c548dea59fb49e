// SPDX-License-Identifier: Apache-2.0
#include "cli/drain.h"

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "api/http_client.h"

namespace anyswan::cli {

namespace {

using Json = nlohmann::json;

constexpr auto look_interval = std::chrono::milliseconds(200);

int complain(const std::string& message) {
    std::fprintf(stderr, "%s\n", message.c_str());
    return 1;
}

std::string joined(const Json& list) {
    std::string text;
    for (const Json& item : list) {
        text += (text.empty() ? "" : "; ") + item.get<std::string>();
    }
    return text;
}

/// What the daemon says of its health, whatever the status; an error is an error.
Result<Json> ask(const Common& common, const api::Request& request) {
    const Result<api::Response> response = api::call(common.api, request);
    if (!response) {
        return Unexpected{response.error()};
    }
    Json json = Json::parse(response->body, nullptr, false);
    if (!json.is_object() || json.contains("error")) {
        return fail(json.is_object() ? json.at("error").get<std::string>() : response->body);
    }
    return json;
}

void show(const Json& json) {
    const std::string lacks = joined(json.at("lacks"));
    const std::string trouble = joined(json.at("trouble"));
    const auto state = json.at("state").get<std::string>();
    std::string text = json.at("edge").get<std::string>() + ": " + state;
    text += json.at("announced") == true ? ", announced" : ", not announced";
    text += lacks.empty() ? "" : "\nwaits for: " + lacks;
    text += trouble.empty() ? "" : "\ntrouble: " + trouble;
    if (const auto why = json.at("drain_given_up").get<std::string>(); !why.empty()) {
        text += "\nthe last drain was given up: " + why;
    }
    text += "\nrevision " + json.at("applied_revision").dump() + " of " +
            json.at("fleet_revision").dump() + ", " + json.at("edges_alive").dump() +
            " edges alive, " + json.at("ike_sas").dump() + " IKE SAs here, store " +
            (json.at("store").at("connected") == true ? "connected" : "not connected") + "\n";
    std::fputs(text.c_str(), stdout);
}

/// Until the drain has ended one way or the other.
int wait_for_end(const Common& common, Json json) {
    std::string said;
    while (json.at("state") == "draining") {
        const std::string waits = joined(json.at("lacks"));
        if (!common.json && waits != said && !waits.empty()) {
            std::fprintf(stderr, "waits for: %s\n", waits.c_str());
        }
        said = waits;
        std::this_thread::sleep_for(look_interval);
        Result<Json> next = ask(common, {"GET", "/v1/health", ""});
        if (!next) {
            return complain(next.error().message);
        }
        json = std::move(*next);
    }
    if (common.json) {
        std::printf("%s\n", json.dump(2).c_str());
    }
    if (json.at("state") != "drained") {
        const auto why = json.at("drain_given_up").get<std::string>();
        return complain("not drained, the edge serves again: " +
                        (why.empty() ? "the drain was cancelled" : why));
    }
    if (!common.json) {
        std::printf("%s is drained; it can be stopped\n",
                    json.at("edge").get<std::string>().c_str());
    }
    return 0;
}

}  // namespace

int drain(const Common& common, const DrainOptions& options) {
    if (options.cancel && options.wait) {
        complain("--cancel and --wait don't go together; use one of them");
        return 2;
    }
    const Json body{{"timeout_s", options.timeout_s}};
    Result<Json> json = ask(common, {options.cancel ? "DELETE" : "PUT", "/v1/drain",
                                     options.cancel ? "" : body.dump()});
    if (!json) {
        return complain(json.error().message);
    }
    if (options.wait) {
        return wait_for_end(common, std::move(*json));
    }
    if (common.json) {
        std::printf("%s\n", json->dump(2).c_str());
    } else {
        std::printf("%s is %s\n", json->at("edge").get<std::string>().c_str(),
                    json->at("state").get<std::string>().c_str());
    }
    return 0;
}

int health(const Common& common) {
    const Result<Json> json = ask(common, {"GET", "/v1/health", ""});
    if (!json) {
        return complain(json.error().message);
    }
    if (common.json) {
        std::printf("%s\n", json->dump(2).c_str());
    } else {
        show(*json);
    }
    return json->at("ready") == true ? 0 : 1;
}

}  // namespace anyswan::cli
