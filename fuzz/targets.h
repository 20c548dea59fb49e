// SPDX-License-Identifier: Apache-2.0
// The fuzz targets, each in a file of its own: any octets go in; a broken promise aborts. libFuzzer
// runs them (entry.cc), and unit tests replay what once mattered (replay_test.cc).
#pragma once

#include <cstddef>
#include <cstdint>

namespace anyswan::fuzz {

using Target = int(const std::uint8_t* data, std::size_t size);

Target fuzz_api;
Target fuzz_bus;
Target fuzz_chain;
Target fuzz_config;
Target fuzz_esp;
Target fuzz_ip;
Target fuzz_jetstream;
Target fuzz_message;
Target fuzz_open;
Target fuzz_pcap;
Target fuzz_reassembly;
Target fuzz_record;
Target fuzz_session;
Target fuzz_x509;
Target fuzz_xfrm;

}  // namespace anyswan::fuzz
