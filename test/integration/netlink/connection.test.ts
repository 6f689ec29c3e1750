import { describe, expect, it } from 'vitest';
import { AsyncConnection } from '../../../src/netlink/async-connection.ts';
import type { Attributes } from '../../../src/netlink/attribute.ts';
import { Connection, ConnectionBusyError } from '../../../src/netlink/connection.ts';
import { NetlinkError } from '../../../src/netlink/error.ts';
import {
  decodePayload,
  encodePayload,
  type Message,
  NLM_F_CREATE,
  NLM_F_DUMP_FILTERED,
  NLM_F_EXCL,
} from '../../../src/netlink/message.ts';
import { linkPayload, RTM_GETLINK, RTM_NEWLINK } from '../../../src/netlink/route/link/table.ts';
import type { StructValues } from '../../../src/netlink/struct.ts';
import { useNetns } from '../netns-fixture.ts';

const NETLINK_ROUTE = 0;
const fixture = useNetns('connection');

type LinkAttributes = Attributes<(typeof linkPayload)['attributes']>;

function getLinks(attributes: LinkAttributes = {}) {
  return {
    operation: 'list links',
    type: RTM_GETLINK,
    write: (writer: Parameters<typeof encodePayload>[0]) =>
      encodePayload(writer, linkPayload, {}, attributes),
  };
}

function newLink(attributes: LinkAttributes, header: StructValues<{ index: 's32' }> = {}) {
  return {
    operation: 'make a link',
    type: RTM_NEWLINK,
    flags: header.index === undefined ? NLM_F_CREATE | NLM_F_EXCL : 0,
    write: (writer: Parameters<typeof encodePayload>[0]) =>
      encodePayload(writer, linkPayload, header, attributes),
  };
}

const nameOf = ({ payload }: Message): string =>
  decodePayload(linkPayload, payload).attributes.ifname ?? '';

function refusal(work: () => void): NetlinkError {
  try {
    work();
  } catch (error) {
    if (error instanceof NetlinkError) return error;
    throw error;
  }
  throw new Error('the kernel took it');
}

describe('a refusal', () => {
  it('names the attribute the kernel points at', () => {
    using connection = Connection.open(NETLINK_ROUTE, fixture.netns);
    const kind = refusal(() =>
      connection.execute(newLink({ ifname: 'x', linkinfo: { kind: 'nosuch' } })),
    );
    expect(kind.errnoName).toBe('EOPNOTSUPP');
    const name = refusal(() =>
      connection.execute(newLink({ ifname: 'far-too-long-a-name', linkinfo: { kind: 'bridge' } })),
    );
    expect(name.message).toBe(
      'make a link: ERANGE: Attribute failed policy validation (at ifname, expected 0 to 15 bytes)',
    );
    const unknown = [{ id: 1, bytes: Uint8Array.of(1) }];
    const inner = refusal(() =>
      connection.execute(
        newLink({ ifname: 'x', linkinfo: { kind: 'bridge', data: { bridge: { unknown } } } }),
      ),
    );
    expect(inner.fault).toBe('at linkinfo.data.bridge.forwardDelayCs, expected 0 to 4294967295');
    expect(inner.errnoName).toBe('ERANGE');
  });
});

describe('a dump', () => {
  it('is filtered by the kernel, which says so', () => {
    fixture.exec('ip', 'link', 'add', 'br0', 'type', 'bridge');
    fixture.exec('ip', 'link', 'add', 'v0', 'type', 'veth', 'peer', 'v1');
    using connection = Connection.open(NETLINK_ROUTE, fixture.netns);
    const flags: number[] = [];
    const names = connection.dump(getLinks({ linkinfo: { kind: 'bridge' } }), (message) => {
      flags.push(message.flags & NLM_F_DUMP_FILTERED);
      return nameOf(message);
    });
    expect(names).toEqual(['br0']);
    expect(flags).toEqual([NLM_F_DUMP_FILTERED]);
  });

  it('is refused when the kernel does not know the filter', () => {
    using connection = Connection.open(NETLINK_ROUTE, fixture.netns);
    const error = refusal(() => connection.dump(getLinks({ mtu: 1500 }), nameOf));
    expect(error.message).toBe('list links: EINVAL: Unsupported attribute in link dump request');
  });

  it('keeps the connection for itself', () => {
    using connection = Connection.open(NETLINK_ROUTE, fixture.netns);
    expect(() => connection.dump(getLinks(), () => connection.dump(getLinks(), nameOf))).toThrow(
      ConnectionBusyError,
    );
    // Nothing of the one that failed is taken for a part of the next.
    expect(connection.dump(getLinks(), nameOf)).toContain('lo');
  });
});

describe('an asynchronous connection', () => {
  it('does what is asked in order, and one failure does not stop the rest', async () => {
    using connection = AsyncConnection.open(NETLINK_ROUTE, fixture.netns);
    const made = connection.execute(newLink({ ifname: 'br0', linkinfo: { kind: 'bridge' } }));
    const again = connection.execute(newLink({ ifname: 'br0', linkinfo: { kind: 'bridge' } }));
    const listed = connection.dump(getLinks(), nameOf);
    await made;
    await expect(again).rejects.toThrow('make a link: EEXIST');
    expect(await listed).toContain('br0');
  });

  it('gives others their turn during a long dump', async () => {
    fixture.exec('ip', 'link', 'set', 'lo', 'up');
    using connection = AsyncConnection.open(NETLINK_ROUTE, fixture.netns);
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
    }, 0);
    const slow = (message: Message): string => {
      const until = performance.now() + 10;
      while (performance.now() < until);
      return nameOf(message);
    };
    for (let index = 0; index < 40; index += 1) {
      await connection.execute(newLink({ ifname: `b${index}`, linkinfo: { kind: 'bridge' } }));
    }
    turns = 0;
    expect(await connection.dump(getLinks(), slow)).toHaveLength(41);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(2);
  });

  it('rejects what comes after it is closed', async () => {
    const connection = AsyncConnection.open(NETLINK_ROUTE, fixture.netns);
    connection.close();
    await expect(connection.dump(getLinks(), nameOf)).rejects.toThrow('is closed');
  });
});
