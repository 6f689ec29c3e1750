import { createRtNetlink, type RtNetlinkSocket } from 'netlink';
import { describe, expect, it } from 'vitest';
import { parsePrefix } from '../../../src/ipaddr/prefix.ts';
import { addrAdd, addrList } from '../../../src/netlink/route/addr.ts';
import { RouteConnection } from '../../../src/netlink/route/connection.ts';
import { linkAdd, linkByName, linkList, linkSet } from '../../../src/netlink/route/link.ts';
import { useNetns } from '../netns-fixture.ts';

/* A second opinion on what the bytes mean: the decoder of the npm package `netlink`. */

const fixture = useNetns('npm');
const BUFFERS = { recvBufferSize: 1 << 20, sendBufferSize: 1 << 20 };

/** Asks npm's package in the namespace of the test. */
async function ask<T>(question: (socket: RtNetlinkSocket) => Promise<T>): Promise<T> {
  const socket = fixture.netns.run(() => createRtNetlink(BUFFERS));
  try {
    return await question(socket);
  } finally {
    socket.socket.close();
  }
}

function fill(connection: RouteConnection): void {
  linkAdd(connection, { name: 'br0', kind: 'bridge' });
  linkAdd(connection, { name: 'v0', kind: 'veth', mtu: 1400, peer: { name: 'v1' } });
  const br0 = linkByName(connection, 'br0')?.index ?? 0;
  linkSet(connection, linkByName(connection, 'v0')?.index ?? 0, { master: br0, up: true });
  addrAdd(connection, br0, parsePrefix('10.9.0.1/24'));
  addrAdd(connection, br0, parsePrefix('fd00:9::1/64'), { noDad: true });
}

describe('npm netlink reads the same', () => {
  it('links', async () => {
    using connection = RouteConnection.open(fixture.netns);
    fill(connection);
    const theirs = await ask((socket) => socket.getLinks());
    const ours = linkList(connection);
    expect(ours).toHaveLength(4);
    expect(
      ours.map((link) => ({
        index: link.index,
        name: link.name,
        mtu: link.mtu,
        txqlen: link.txqlen,
        mac: link.mac?.toBytes().toHex(),
        master: link.master,
        below: link.linkIndex,
        up: link.up,
        promiscuity: link.promiscuity,
      })),
    ).toEqual(
      theirs.map(({ data, attrs }) => ({
        index: data.index,
        name: attrs.ifname,
        mtu: attrs.mtu,
        txqlen: attrs.txqlen,
        mac: attrs.address?.toString('hex'),
        master: attrs.master,
        below: attrs.link?.readUInt32LE(0),
        up: data.flags?.up === true,
        promiscuity: attrs.promiscuity,
      })),
    );
  });

  it('addresses', async () => {
    using connection = RouteConnection.open(fixture.netns);
    fill(connection);
    const theirs = await ask((socket) => socket.getAddresses());
    const ours = addrList(connection);
    expect(ours.length).toBeGreaterThanOrEqual(2);
    expect(
      ours.map((addr) => ({
        index: addr.linkIndex,
        address: addr.prefix.addr.toBytes().toHex(),
        bits: addr.prefix.bits,
        label: addr.label,
      })),
    ).toEqual(
      theirs.map(({ data, attrs }) => ({
        index: data.index,
        address: (attrs.local ?? attrs.address)?.toString('hex'),
        bits: data.prefixlen,
        label: attrs.label,
      })),
    );
  });
});
