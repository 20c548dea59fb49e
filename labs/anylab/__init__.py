# SPDX-License-Identifier: Apache-2.0
"""Networks in namespaces, with real peers and real edges: what ./demo and the end-to-end tests stand on."""
