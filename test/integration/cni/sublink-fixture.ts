import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { createNamedNetns, deleteNamedNetns } from '../../../src/sys/netns.ts';
import { type NetnsFixture, useNetns } from '../netns-fixture.ts';
import { CNI_BIN, callPlugin, type PluginAnswer } from './plugin-fixture.ts';

export type Json = Record<string, unknown>;

/** A link as `ip -j -d addr` has it. */
export interface IpLink {
  readonly ifname: string;
  readonly address: string;
  readonly mtu: number;
  readonly flags: readonly string[];
  readonly linkinfo?: { readonly info_kind: string; readonly info_data: Json };
  readonly addr_info: readonly { readonly local: string; readonly prefixlen: number }[];
}

/** A node whose link `up0` leads to a neighbour with 192.0.2.1 and 2001:db8::1, and a pod. */
export interface SublinkFixture {
  readonly type: 'macvlan' | 'ipvlan';
  readonly node: NetnsFixture;
  readonly outside: NetnsFixture;
  readonly podPath: string;
  /** The configuration, with `more` in place of what it has. */
  readonly config: (more?: Json) => Json;
  readonly call: (
    verb: string,
    config: Json,
    env?: Readonly<Record<string, string>>,
    bin?: string,
  ) => PluginAnswer;
  /** What ip(8) says in the pod. */
  readonly pod: (...args: string[]) => IpLink[];
  /** Runs a program in the pod and gives its output. */
  readonly inPod: (...args: string[]) => string;
  /** The addresses host-local has given. */
  readonly reservations: () => string[];
}

/** Makes all of it before each test; `tag` keeps files apart. */
export function useSublink(type: 'macvlan' | 'ipvlan', tag: string): SublinkFixture {
  const node = useNetns(tag);
  const outside = useNetns(`${tag}-out`);
  const podName = `podwire-${tag}-pod-${process.pid}`;
  const podPath = `/run/netns/${podName}`;
  let dataDir = '';
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), `podwire-${tag}-`));
    createNamedNetns(podPath);
    node.exec('ip', 'link', 'add', 'up0', 'type', 'veth', 'peer', 'up1', 'netns', outside.name);
    node.exec('ip', 'link', 'set', 'up0', 'up');
    outside.exec('ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'up1');
    outside.exec('ip', 'addr', 'add', '2001:db8::1/64', 'dev', 'up1', 'nodad');
    outside.exec('ip', 'link', 'set', 'up1', 'up');
  });
  afterEach(() => {
    deleteNamedNetns(podPath);
    rmSync(dataDir, { recursive: true, force: true });
  });
  const inPod = (...args: string[]): string => node.exec('ip', 'netns', 'exec', podName, ...args);
  return {
    type,
    node,
    outside,
    podPath,
    inPod,
    config: (more = {}) => ({
      cniVersion: '1.1.0',
      name: 'net',
      type,
      master: 'up0',
      ipam: {
        type: 'host-local',
        dataDir,
        ranges: [
          [{ subnet: '192.0.2.0/24', rangeStart: '192.0.2.100' }],
          [{ subnet: '2001:db8::/64', rangeStart: '2001:db8::100' }],
        ],
        routes: [{ dst: '0.0.0.0/0' }, { dst: '2001:db8:9::/48', mtu: 1300 }],
      },
      ...more,
    }),
    call: (verb, config, env = {}, bin = CNI_BIN) =>
      callPlugin(
        {
          type,
          verb,
          config,
          env: { CNI_CONTAINERID: 'a', CNI_NETNS: podPath, ...env },
          bin,
        },
        node.netns,
      ),
    pod: (...args) => JSON.parse(inPod('ip', '-j', '-d', ...args)) as IpLink[],
    reservations: () =>
      existsSync(join(dataDir, 'net'))
        ? readdirSync(join(dataDir, 'net')).filter((file) => !/^(lock|last)/.test(file))
        : [],
  };
}

/** A DEL, CHECK, GC or STATUS that went well. */
export const success = { status: 0, stdout: '', stderr: '' };

/** Makes the node's default route lead by up0, so that it is the master nobody has to name. */
export function routeByUp0({ node }: SublinkFixture): void {
  node.exec('ip', 'addr', 'add', '192.0.2.9/24', 'dev', 'up0');
  node.exec('ip', 'route', 'add', 'default', 'via', '192.0.2.1');
}

/** Nothing of the pod is left: neither link nor address. */
export function expectNothingLeft(fixture: SublinkFixture): void {
  expect(fixture.pod('addr').map(({ ifname }) => ifname)).toEqual(['lo']);
  expect(fixture.node.exec('ip', '-br', 'link').match(/pwtmp/g)).toBeNull();
  expect(fixture.reservations()).toEqual([]);
}
