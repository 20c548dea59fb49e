# SPDX-License-Identifier: Apache-2.0
"""IKEv2 daemons that others wrote, behind one interface (base.Peer)."""

from .libreswan import LibreswanPeer
from .openiked import OpenIkedPeer
from .strongswan import StrongSwanKernel, StrongSwanPeer
from .strongswan6 import StrongSwan6Peer

PEERS = {peer.name: peer for peer in (StrongSwanPeer, StrongSwan6Peer, StrongSwanKernel, LibreswanPeer,
                                        OpenIkedPeer)}
