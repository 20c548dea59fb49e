// SPDX-License-Identifier: Apache-2.0
#include "replay/replay.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "replay/session.h"

namespace anyswan::replay {

ike::MessageProtector IkeSa::protector(bool from_initiator) const {
    return {suite.cipher, from_initiator ? keys.ei.reveal() : keys.er.reveal(),
            from_initiator ? keys.ai.reveal() : keys.ar.reveal()};
}

IkeSa* Session::find(std::uint64_t initiator_spi) {
    const auto found = sas_.find(initiator_spi);
    return found == sas_.end() ? nullptr : &found->second;
}

void Session::step(const Event& event) {
    const std::string kind = event.kind();
    if (kind == "ike") {
        ike(event);
    } else if (kind == "ike-fragment") {
        fragment(event);
    } else if (kind == "retransmit") {
        retransmit(event);
    } else if (kind == "derive-ike") {
        derive_ike(event);
    } else if (kind == "ppk-rfc8784") {
        ppk_ = {event.hex("ppk"), event.hex("SK_d"), event.hex("SK_pi"), event.hex("SK_pr")};
    } else if (kind == "intauth") {
        int_auth(event);
    } else if (kind == "auth-psk" || kind == "auth-sig") {
        auth(event);
    } else if (kind == "derive-child") {
        derive_child(event);
    } else if (kind == "esp") {
        esp(event);
    } else if (kind == "nat-keepalive") {
        report_.skip("a NAT keepalive: the capture keeps no bytes of it");
    } else {
        report_.skip("an event of kind \"" + kind + "\"");
    }
}

Report replay_vector(std::string capture, std::string_view json) {
    Report report(std::move(capture));
    report.at("vector.json");
    const auto vector = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
    const auto events = vector.is_object() ? vector.find("events") : vector.end();
    if (!vector.is_object() || events == vector.end() || !events->is_array() || events->empty()) {
        report.expect("form", false, "no JSON object with events");
        return report;
    }
    Session session(report);
    for (std::size_t i = 0; i < events->size(); ++i) {
        const Event event((*events)[i]);
        report.at("event " + std::to_string(i) + " (" + event.kind() + ")");
        session.step(event);
    }
    return report;
}

Result<std::vector<std::filesystem::path>> find_captures(const std::filesystem::path& root) {
    std::vector<std::filesystem::path> folders;
    std::error_code error;
    if (std::filesystem::exists(root / "vector.json", error)) {
        return std::vector{root};
    }
    for (const auto& entry : std::filesystem::directory_iterator(root, error)) {
        if (std::filesystem::exists(entry.path() / "vector.json", error)) {
            folders.push_back(entry.path());
        }
    }
    if (folders.empty()) {
        return fail("no capture (folder with a vector.json) in " + root.string() +
                    (error ? ": " + error.message() : ""));
    }
    std::sort(folders.begin(), folders.end());
    return folders;
}

Report replay_folder(const std::filesystem::path& folder) {
    std::ifstream file(folder / "vector.json", std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
    return replay_vector(folder.filename().string(), text);
}

}  // namespace anyswan::replay
