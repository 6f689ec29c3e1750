import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createNamedNetns, deleteNamedNetns } from '../../../src/sys/netns.ts';
import { useBridge } from './bridge-fixture.ts';

/*
 * What DEL and GC of bridge take away: all that ADD made, whatever is missing and whatever the
 * configuration says by then, and nothing of others.
 */

const fixture = useBridge('gone');
const { call, config, inPod, node } = fixture;
const success = { status: 0, stdout: '', stderr: '' };

const everything = (more: object = {}): Record<string, unknown> =>
  config({ ipMasq: true, macspoofchk: true, hairpinMode: true, ...more });

/** Breaks something after ADD, and gives the environment of DEL. */
const troubles: readonly (readonly [string, () => Record<string, string>])[] = [
  ['nothing is missing', () => ({})],
  ['there is no namespace', () => ({ CNI_NETNS: '' })],
  ['the path of the namespace is gone', () => ({ CNI_NETNS: '/run/netns/podwire-none' })],
  ['its directory is gone', () => ({ CNI_NETNS: '/run/podwire-none/ns/pod' })],
  [
    'a plain file is at the path of the namespace',
    () => {
      const file = join(fixture.dataDir(), 'plain');
      writeFileSync(file, '');
      return { CNI_NETNS: file };
    },
  ],
  ['a directory is there', () => ({ CNI_NETNS: fixture.dataDir() })],
  [
    'the namespace itself is gone',
    () => {
      deleteNamedNetns(fixture.podPath);
      return { CNI_NETNS: fixture.podPath };
    },
  ],
  [
    'the interface is gone',
    () => {
      inPod('ip', 'link', 'del', 'eth0');
      return {};
    },
  ],
  [
    'the interface has another name',
    () => {
      inPod('ip', 'link', 'set', 'eth0', 'down');
      inPod('ip', 'link', 'set', 'eth0', 'name', 'other');
      return {};
    },
  ],
  [
    'the host end is not of the bridge any more',
    () => {
      node.exec('ip', 'link', 'set', fixture.veths()[0] ?? '', 'nomaster');
      return { CNI_NETNS: '' };
    },
  ],
  [
    'the bridge is gone',
    () => {
      node.exec('ip', 'link', 'del', 'br0');
      return { CNI_NETNS: '' };
    },
  ],
  [
    'a link of another kind has its name',
    () => {
      node.exec('ip', 'link', 'del', 'br0');
      node.exec('ip', 'link', 'add', 'br0', 'type', 'veth', 'peer', 'name', 'x');
      return {};
    },
  ],
];

/** What the configuration may say by the time of DEL. */
const changes: readonly object[] = [
  { ipMasq: false, macspoofchk: false },
  { ipMasq: true, ipMasqBackend: 'iptables' },
  { bridge: 'br9', isDefaultGateway: false },
  { vlan: 7, vlanTrunk: [{ id: 9 }] },
  // No ADD would take these.
  { hairpinMode: true, promiscMode: true, vlan: 5000 },
  { mtu: 'huge', bridge: 'a name that no link can have' },
  { cniVersion: '0.2.0' },
];

describe('bridge DEL', () => {
  describe.each(['nftables', 'iptables'])('with rules by %s', (ipMasqBackend) => {
    it.each(troubles)('frees everything when %s', (_, breakIt) => {
      const conf = everything({ ipMasqBackend });
      expect(call('ADD', conf).status).toBe(0);
      expect(fixture.podRules()).not.toEqual([]);
      const env = breakIt();
      expect(call('DEL', conf, env)).toMatchObject(success);
      expect(fixture.veths()).toEqual([]);
      expect(fixture.reservations()).toEqual([]);
      expect(fixture.podRules()).toEqual([]);
      expect(call('DEL', conf, env)).toMatchObject(success);
    });
  });

  it.each(changes)('frees everything when the configuration has become %j', (more) => {
    expect(call('ADD', everything()).status).toBe(0);
    expect(call('DEL', everything(more), { CNI_NETNS: '' })).toMatchObject(success);
    fixture.expectNothingLeft();
  });

  it.each([{ ips: 'torn' }, 5, {}])('frees everything when prevResult is %j', (prevResult) => {
    expect(call('ADD', everything()).status).toBe(0);
    expect(call('DEL', everything({ prevResult }))).toMatchObject(success);
    fixture.expectNothingLeft();
  });

  it('frees the rest when IPAM fails, and says so', () => {
    expect(call('ADD', everything()).status).toBe(0);
    const answer = call('DEL', everything({ ipam: { type: 'nowhere' } }));
    expect(answer.status).toBe(1);
    expect(answer.json.msg).toContain('failed to find plugin "nowhere"');
    expect([fixture.veths(), fixture.podRules()]).toEqual([[], []]);
    expect(call('DEL', everything())).toMatchObject(success);
    fixture.expectNothingLeft();
  });

  it('keeps what is of another interface of the pod, whatever made it', () => {
    for (const ipMasqBackend of ['nftables', 'iptables']) {
      const conf = everything({ ipMasqBackend });
      expect(call('ADD', conf).status).toBe(0);
      const own = fixture.podRules();
      expect(call('ADD', conf, { CNI_IFNAME: 'eth1' }).status).toBe(0);
      expect(call('DEL', conf, { CNI_IFNAME: 'eth1' })).toMatchObject(success);
      expect([ipMasqBackend, fixture.podRules()]).toEqual([ipMasqBackend, own]);
      // And the other way round.
      expect(call('ADD', conf, { CNI_IFNAME: 'eth1' }).status).toBe(0);
      expect(call('DEL', conf)).toMatchObject(success);
      expect(fixture.veths()).toHaveLength(1);
      expect(fixture.podRules().filter((line) => line.includes('10.1.2.'))).not.toEqual([]);
      expect(call('DEL', conf, { CNI_IFNAME: 'eth1' })).toMatchObject(success);
      fixture.expectNothingLeft();
      node.exec('rm', '-r', join(fixture.dataDir(), 'net'));
    }
  });
});

describe('bridge GC', () => {
  const paths = ['b', 'c'].map((pod) => `/run/netns/podwire-gone-${pod}-${process.pid}`);
  beforeEach(() => paths.forEach(createNamedNetns));
  afterEach(() => paths.forEach(deleteNamedNetns));

  it.each(['nftables', 'iptables'])(
    'takes away what belongs to no attachment, rules by %s too',
    (ipMasqBackend) => {
      const conf = everything({ ipMasqBackend });
      const inB = { CNI_CONTAINERID: 'b', CNI_NETNS: paths[0] ?? '' };
      const inC = { CNI_CONTAINERID: 'c', CNI_NETNS: paths[1] ?? '' };
      expect(call('ADD', conf).status).toBe(0);
      const kept = { veths: fixture.veths(), rules: fixture.podRules() };
      expect(call('ADD', conf, inB).status).toBe(0);
      // Another network on the same bridge, and a veth that somebody else made.
      const other = everything({ ipMasqBackend, name: 'other', isDefaultGateway: false, ipam: {} });
      expect(call('ADD', other, inC).status).toBe(0);
      node.exec('ip', 'link', 'add', 'veth00000001', 'type', 'veth', 'peer', 'name', 'x');
      node.exec('ip', 'link', 'set', 'veth00000001', 'master', 'br0');
      expect(fixture.veths()).toHaveLength(4);
      const valid = [{ containerID: 'a', ifname: 'eth0' }];
      const gc = everything({ ipMasqBackend, 'cni.dev/valid-attachments': valid });
      for (const round of ['GC', 'GC again']) {
        expect([round, call('GC', gc)]).toMatchObject([round, success]);
        expect(fixture.veths()).toHaveLength(3);
        expect(fixture.veths()).toEqual(expect.arrayContaining(kept.veths));
        expect(fixture.podRules().filter((line) => !line.includes('-c-eth0'))).toEqual(kept.rules);
        expect(fixture.reservations().toSorted()).toEqual(['10.1.2.2', 'fd00:1::2']);
      }
      expect(call('GC', everything({ ipMasqBackend }))).toMatchObject(success);
      expect(fixture.veths()).toHaveLength(2);
      expect(call('DEL', other, inC)).toMatchObject(success);
      expect(fixture.veths()).toEqual(['veth00000001']);
      expect([fixture.podRules(), fixture.reservations()]).toEqual([[], []]);
    },
  );

  it.each([
    { ipMasq: false, macspoofchk: false, bridge: 'br9' },
    { hairpinMode: true, promiscMode: true, vlan: 5000, mtu: 'huge' },
  ])('does so whatever the configuration says by then: %j', (more) => {
    expect(call('ADD', everything()).status).toBe(0);
    node.exec('ip', 'link', 'del', 'br0');
    expect(call('GC', everything(more))).toMatchObject(success);
    fixture.expectNothingLeft();
  });

  it('goes on past what fails, and says so', () => {
    expect(call('ADD', everything()).status).toBe(0);
    const answer = call('GC', everything({ ipam: { type: 'nowhere' } }));
    expect(answer.status).toBe(1);
    expect(answer.json.msg).toContain('failed to find plugin "nowhere"');
    expect([fixture.veths(), fixture.podRules()]).toEqual([[], []]);
  });
});
