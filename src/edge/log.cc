// SPDX-License-Identifier: Apache-2.0
#include "edge/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace anyswan::edge::log {

namespace {
std::function<void(Level, const char*, const std::string&)>& other_sink() {
    static std::function<void(Level, const char*, const std::string&)> sink;
    return sink;
}
}  // namespace

void set_up(const std::string& level, const std::string& edge) {
    auto logger = spdlog::stderr_logger_mt("anyswan-" + edge);
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %^%-5l%$ " + edge + " %v");
    logger->set_level(spdlog::level::from_str(level == "warn" ? "warning" : level));
    logger->flush_on(spdlog::level::info);
    spdlog::set_default_logger(logger);
}

void set_sink(std::function<void(Level, const char*, const std::string&)> sink) {
    other_sink() = std::move(sink);
}

void write(Level level, const char* topic, const std::string& text) {
    if (other_sink()) {
        other_sink()(level, topic, text);
        return;
    }
    static constexpr spdlog::level::level_enum levels[] = {
        spdlog::level::debug, spdlog::level::info, spdlog::level::warn, spdlog::level::err};
    spdlog::log(levels[static_cast<int>(level)], "{}: {}", topic, text);
}

}  // namespace anyswan::edge::log
