// SPDX-License-Identifier: Apache-2.0
#include "edge/driver_choice.h"

#include "dataplane/user/user_driver.h"
#include "dataplane/xfrm/probe.h"
#include "dataplane/xfrm/xfrm_driver.h"
#include "edge/log.h"
#include "net/kept_sockets.h"

namespace anyswan::edge {

namespace {

using config::DataplaneType;

std::size_t inner_mtu_of(const config::DataplaneOptions& options) {
    if (options.tun_mtu != 0) {
        return options.tun_mtu;
    }
    // The most expensive suite and headers: safe for every tunnel.
    const crypto::CipherSuite costly{crypto::EncrId::aes_cbc, 256,
                                     crypto::IntegId::hmac_sha2_512_256};
    return esp::inner_mtu(options.outer_mtu, esp::OuterHeaders{}, costly);
}

/// The driver for "auto", with the reason on the log.
DataplaneType decide(const config::DataplaneOptions& options) {
    if (options.type != DataplaneType::automatic) {
        return options.type;
    }
    const auto verdict = dataplane::xfrm::judge(dataplane::xfrm::probe_kernel());
    const DataplaneType type = driver_for(verdict.mode);
    const std::string lacks =
        verdict.missing.empty() ? ""
                                : " (" + verdict.missing + "; anyswan doctor says how to mend it)";
    log::info("dataplane",
              "type auto: this kernel has " + verdict.found + lacks + ", so " +
                  (type == DataplaneType::xfrm            ? "kernel ESP behind the interface"
                   : type == DataplaneType::xfrm_policies ? "kernel ESP by policies and marks"
                                                          : "userspace ESP"));
    return type;
}

template <class T>
Result<std::unique_ptr<dataplane::Driver>> as_driver(Result<std::unique_ptr<T>> made) {
    if (!made) {
        return Unexpected{made.error()};
    }
    return std::unique_ptr<dataplane::Driver>(std::move(*made));
}

}  // namespace

DataplaneType driver_for(std::optional<dataplane::xfrm::Mode> mode) {
    if (!mode) {
        return DataplaneType::userspace;
    }
    return *mode == dataplane::xfrm::Mode::interface ? DataplaneType::xfrm
                                                     : DataplaneType::xfrm_policies;
}

Result<std::unique_ptr<dataplane::Driver>> make_driver(const DriverWishes& wishes, Random& random,
                                                       dataplane::DriverSink sink) {
    const config::DataplaneOptions& options = wishes.options;
    dataplane::UserDriverConfig user;
    user.local_addresses = wishes.local_addresses;
    user.incarnation = wishes.incarnation;
    user.inner_mtu = inner_mtu_of(options);
    user.interface_prefix = options.tun_prefix + "-";
    user.raw_esp = options.raw_esp;
    user.routes_in_main_table = options.main_table_routes;
    const DataplaneType type = decide(options);
    if (type == DataplaneType::userspace) {
        // Sockets of a life with the kernel dataplane would give our ESP to the kernel.
        (void)net::KeptSockets::from_environment();
        return as_driver(dataplane::UserDriver::start(user, random, std::move(sink)));
    }
    dataplane::XfrmDriverConfig xfrm{user, type == DataplaneType::xfrm_policies};
    auto driver = dataplane::XfrmDriver::start(std::move(xfrm), std::move(sink));
    if (!driver) {
        return fail("the kernel dataplane can't start: " + driver.error().message +
                    "; anyswan doctor shows what this kernel has");
    }
    return as_driver(std::move(driver));
}

}  // namespace anyswan::edge
