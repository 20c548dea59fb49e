# SPDX-License-Identifier: Apache-2.0
"""IKEv2 daemons that others wrote, behind one interface (base.Peer)."""

from .strongswan import StrongSwanPeer

PEERS = {peer.name: peer for peer in (StrongSwanPeer,)}
