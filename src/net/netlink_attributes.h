// SPDX-License-Identifier: Apache-2.0
// Walks netlink attributes; libmnl's own macros are C alone.
#pragma once

#include <libmnl/libmnl.h>

#include <cstddef>

namespace anyswan::net {

/// `each` gets every attribute behind the message's first `offset` payload bytes.
template <class F>
void for_each_attribute(const nlmsghdr* message, std::size_t offset, const F& each) {
    const auto call = [](const nlattr* attribute, void* to) {
        (*static_cast<const F*>(to))(attribute);
        return MNL_CB_OK;
    };
    (void)mnl_attr_parse(message, static_cast<unsigned>(offset), call, const_cast<F*>(&each));
}

template <class F>
void for_each_nested(const nlattr* outer, const F& each) {
    const auto call = [](const nlattr* attribute, void* to) {
        (*static_cast<const F*>(to))(attribute);
        return MNL_CB_OK;
    };
    (void)mnl_attr_parse_nested(outer, call, const_cast<F*>(&each));
}

}  // namespace anyswan::net
