// SPDX-License-Identifier: Apache-2.0
// The daemon's log: one line an event, to standard error. Lines say what happened to whom (tunnel,
// peer, SPI); never a key.
#pragma once

#include <functional>
#include <string>

namespace anyswan::edge::log {

enum class Level { debug, info, warn, error };

/// "debug", "info", "warn", "error"; `edge` is the name that each line carries.
void set_up(const std::string& level, const std::string& edge);
/// Lines go there instead, whatever their level; an empty one ends that.
void set_sink(std::function<void(Level, const char* topic, const std::string& text)> sink);
void write(Level level, const char* topic, const std::string& text);
inline void debug(const char* topic, const std::string& text) {
    write(Level::debug, topic, text);
}
inline void info(const char* topic, const std::string& text) {
    write(Level::info, topic, text);
}
inline void warn(const char* topic, const std::string& text) {
    write(Level::warn, topic, text);
}
inline void error(const char* topic, const std::string& text) {
    write(Level::error, topic, text);
}

}  // namespace anyswan::edge::log
