import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { entriesOf, type Json, success, useOverlay } from './vxlan-fixture.ts';

/* The vxlan plugin: what is left after GC, DEL and an ADD that fails, and STATUS, which makes nothing. */

const fixture = useOverlay('vxcln', [1]);
const { node, config, call, inPod, overlay, path, reservations, hostEnds } = fixture;

/** Runs a program on the node and gives its output. */
const exec = (file: string, ...args: string[]): string => node(1).exec(file, ...args);
const hasDevice = (): boolean => exec('ip', '-br', 'link').includes('vxlan');

describe('vxlan ADD that fails', () => {
  it.each<[string, Json, string]>([
    [
      'no address is left',
      { ranges: [[{ subnet: '10.244.1.0/24', rangeStart: '10.244.1.9', rangeEnd: '10.244.1.9' }]] },
      'no IP addresses available in range set: 10.244.1.9-10.244.1.9',
    ],
    ['IPAM is not installed', { type: 'none', subnet: '10.244.1.0/24' }, 'failed to find plugin'],
  ])('leaves nothing of the pod when %s', (_, ipam, msg) => {
    const limited = config(1, { ipam: { ...(config(1).ipam as Json), ...ipam } });
    call(1, 'ADD', limited, { CNI_CONTAINERID: 'first', CNI_IFNAME: 'eth9' });
    const before = [hostEnds(1), reservations(1), overlay(1)];
    const { status, json } = call(1, 'ADD', limited);
    expect(status).toBe(1);
    expect(json.msg).toContain(msg);
    expect([hostEnds(1), reservations(1), overlay(1)]).toEqual(before);
    expect(inPod(1, 'ip', '-br', 'link')).not.toContain('eth0');
  });
});

describe('vxlan GC', () => {
  it('removes what leads to peers that left, and attachments, but nothing else', () => {
    const first = call(1, 'ADD', config(1));
    expect(first.status).toBe(0);
    expect(call(1, 'ADD', config(1), { CNI_IFNAME: 'eth1' }).status).toBe(0);
    exec('ip', 'route', 'add', '10.77.0.0/16', 'dev', 'vxlan.1');
    exec('bridge', 'fdb', 'add', '0a:00:00:00:00:77', 'dev', 'vxlan.1', 'dst', '192.0.2.77');
    const peers = entriesOf(3);
    const valid = { 'cni.dev/valid-attachments': [{ containerID: 'a', ifname: 'eth1' }] };
    expect(call(1, 'GC', config(1, { peers, ...valid }))).toMatchObject(success);
    expect(overlay(1)).toHaveLength(6);
    expect(overlay(1).join('\n')).not.toContain('10.244.2.0');
    expect(exec('ip', 'route')).toContain('10.77.0.0/16 dev vxlan.1');
    expect(reservations(1)).toEqual(['10.244.1.3', 'fd00:244:0:1::3']);
    expect(inPod(1, 'ip', '-br', 'link')).not.toContain('eth0');
    // Only ADD adds: a peer that came is not GC's to program.
    expect(call(1, 'GC', config(1, valid))).toMatchObject(success);
    expect(overlay(1)).toHaveLength(6);
    // Nor is it to take away what the next ADD will replace.
    expect(call(1, 'GC', config(1, { id: 7, peers: [], ...valid }))).toMatchObject(success);
    expect(overlay(1)).toHaveLength(6);
  });

  it('does without the ranges that the runtime gives to ADD alone', () => {
    const { dataDir } = config(1).ipam as { dataDir: string };
    const ipam = { type: 'host-local', dataDir };
    const ipRanges = [[{ subnet: '10.244.1.0/24' }], [{ subnet: 'fd00:244:0:1::/64' }]];
    const peers = [...entriesOf(2), ...entriesOf(3)];
    const added = call(1, 'ADD', config(1, { ipam, peers, runtimeConfig: { ipRanges } }));
    expect(added.status).toBe(0);
    expect(overlay(1)).toHaveLength(10);
    const valid = { 'cni.dev/valid-attachments': [{ containerID: 'a', ifname: 'eth0' }] };
    for (const given of [ipam, { ...ipam, subnet: '10.244.1.0/24' }]) {
      expect(call(1, 'GC', config(1, { ipam: given, peers, ...valid }))).toMatchObject(success);
      expect(overlay(1)).toHaveLength(10);
    }
    expect(exec('ip', '-br', 'addr', 'show', 'vxlan.1')).toContain('fd00:244:0:1::/128');
    const capabilities = { ipRanges: true };
    expect(call(1, 'STATUS', config(1, { ipam, peers, capabilities }))).toMatchObject(success);
    const left = config(1, { ipam, peers: entriesOf(3), ...valid });
    expect(call(1, 'GC', left)).toMatchObject(success);
    expect(overlay(1)).toHaveLength(5);
  });

  it('forwards to bridge and IPAM although the peers can not be read', () => {
    const leaseFile = path('leases.json');
    call(1, 'ADD', config(1));
    const before = overlay(1);
    const gone = call(1, 'GC', config(1, { peers: [], leaseFile }));
    expect(gone).toMatchObject({ status: 1, json: { code: 11 } });
    expect(overlay(1)).toEqual(before);
    expect(reservations(1)).toEqual([]);
    expect(hostEnds(1)).toEqual([]);
  });
});

describe('vxlan DEL', () => {
  it.each(['there', 'empty', 'missing', 'a plain file'])(
    'frees the pod when the namespace is %s, and leaves the overlay',
    (state) => {
      const network = ['10.244.0.0/16', 'fd00:244::/48'];
      expect(call(1, 'ADD', config(1, { ipMasq: true, network })).status).toBe(0);
      const before = overlay(1);
      const env: Record<string, string> = {};
      if (state === 'empty') env.CNI_NETNS = '';
      if (state === 'missing') env.CNI_NETNS = '/run/netns/podwire-none';
      if (state === 'a plain file') {
        env.CNI_NETNS = path('plain');
        writeFileSync(env.CNI_NETNS, '');
      }
      for (let round = 0; round < 2; round += 1) {
        expect(call(1, 'DEL', config(1), env)).toMatchObject(success);
      }
      expect(reservations(1)).toEqual([]);
      expect(hostEnds(1)).toEqual([]);
      expect(exec('nft', 'list', 'ruleset')).not.toMatch(/10\.244\.1|fd00:244:0:1/);
      expect(overlay(1)).toEqual(before);
    },
  );

  it('frees the pod whatever else is gone or wrong by then', () => {
    const wrong = { id: -1, leaseFile: 'none', network: 7, local: '192.0.2.77', peers: 'x' };
    for (const lose of [
      () => inPod(1, 'ip', 'link', 'del', 'eth0'),
      () => exec('ip', 'link', 'del', 'vxlan.1'),
      () => exec('ip', 'link', 'del', 'br0'),
    ]) {
      expect(call(1, 'ADD', config(1)).status).toBe(0);
      lose();
      expect(call(1, 'DEL', config(1, wrong))).toMatchObject(success);
      expect(reservations(1)).toEqual([]);
      expect(hostEnds(1)).toEqual([]);
      expect(inPod(1, 'ip', '-br', 'link')).not.toContain('eth0');
    }
    exec('ip', 'link', 'del', 'up0');
    expect(call(1, 'DEL', config(1, wrong))).toMatchObject(success);
  });
});

describe('vxlan STATUS', () => {
  it('is ready when ADD could be served', () => {
    expect(call(1, 'STATUS', config(1))).toMatchObject(success);
    const ipam = { type: 'none', subnet: '10.244.1.0/24' };
    expect(call(1, 'STATUS', config(1, { ipam })).status).toBe(1);
    expect(hasDevice()).toBe(false);
  });
});
