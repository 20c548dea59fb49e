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
    const auto missing = dataplane::xfrm::what_is_missing(dataplane::xfrm::probe_kernel());
    log::info("dataplane",
              missing ? "this kernel can't serve (" + *missing +
                            "): userspace ESP; anyswan doctor says how to mend it"
                      : "this kernel has ESP, xfrm interface and routes into tunnels: kernel ESP");
    return missing ? DataplaneType::userspace : DataplaneType::xfrm;
}

template <class T>
Result<std::unique_ptr<dataplane::Driver>> as_driver(Result<std::unique_ptr<T>> made) {
    if (!made) {
        return Unexpected{made.error()};
    }
    return std::unique_ptr<dataplane::Driver>(std::move(*made));
}

}  // namespace

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
