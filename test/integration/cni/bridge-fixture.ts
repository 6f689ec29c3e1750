import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { createNamedNetns, deleteNamedNetns } from '../../../src/sys/netns.ts';
import { type NetnsFixture, useNetns } from '../netns-fixture.ts';
import { CNI_BIN, callPlugin, type PluginAnswer } from './plugin-fixture.ts';

/** A link as `ip -j -d addr` has it. */
export interface IpLink {
  readonly ifindex: number;
  readonly ifname: string;
  readonly address: string;
  readonly master?: string;
  readonly mtu: number;
  readonly flags: readonly string[];
  readonly promiscuity: number;
  readonly linkinfo?: { readonly info_slave_data?: Readonly<Record<string, unknown>> };
  readonly addr_info: readonly { readonly local: string; readonly prefixlen: number }[];
}

/** A node and a pod for the plugin bridge, with a data directory for host-local. */
export interface BridgeFixture {
  readonly node: NetnsFixture;
  readonly podName: string;
  readonly podPath: string;
  readonly dataDir: () => string;
  /** A gateway for both families on br0; `more` takes the place of what it has, `ipam` of its ranges. */
  readonly config: (more?: object, ipam?: object) => Record<string, unknown>;
  /** Calls the plugin for the container `a`. */
  readonly call: (verb: string, config: object, env?: Record<string, string>) => PluginAnswer;
  /** Runs a program in the pod and gives its output. */
  readonly inPod: (...args: string[]) => string;
  /** What `ip -j -d` says on the node. */
  readonly ip: (...args: string[]) => IpLink[];
  /** The same in the pod. */
  readonly podIp: (...args: string[]) => IpLink[];
  /** The names of the host's ends. */
  readonly veths: () => string[];
  /** The addresses host-local has given. */
  readonly reservations: () => string[];
  /** The lines of nft(8) that are about a pod. */
  readonly podRules: () => string[];
  /**
   * Makes an IPAM plugin `scripted` of lines of shell, for a CNI_PATH that begins with the data
   * directory; what it prints is `result`. Gives the environment, and the verbs it was called with.
   */
  readonly scripted: (
    lines: string,
    result?: string,
  ) => { readonly env: Record<string, string>; readonly verbs: () => string[] };
  /** Nothing of a pod is left: no link, no address, no rule. */
  readonly expectNothingLeft: () => void;
}

const RANGES = [[{ subnet: '10.1.2.0/24' }], [{ subnet: 'fd00:1::/64' }]];

/** Makes all of it before each test; `tag` keeps files apart. */
export function useBridge(tag: string): BridgeFixture {
  const node = useNetns(tag);
  const podName = `podwire-${tag}-pod-${process.pid}`;
  const podPath = `/run/netns/${podName}`;
  let dataDir = '';
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), `podwire-${tag}-`));
    createNamedNetns(podPath);
  });
  afterEach(() => {
    deleteNamedNetns(podPath);
    rmSync(dataDir, { recursive: true, force: true });
  });
  const inPod = (...args: string[]): string => node.exec('ip', 'netns', 'exec', podName, ...args);
  const parse = (text: string): IpLink[] => JSON.parse(text) as IpLink[];
  const ip = (...args: string[]): IpLink[] => parse(node.exec('ip', '-j', '-d', ...args));
  const podIp = (...args: string[]): IpLink[] =>
    parse(node.exec('ip', '-n', podName, '-j', '-d', ...args));
  const veths = (): string[] =>
    ip('link')
      .map(({ ifname }) => ifname)
      .filter((name) => /^veth[0-9a-f]{8}$/.test(name));
  const reservations = (): string[] => {
    const folder = join(dataDir, 'net');
    return existsSync(folder)
      ? readdirSync(folder).filter((file) => !/^(lock|last)/.test(file))
      : [];
  };
  const podRules = (): string[] =>
    node
      .exec('nft', 'list', 'ruleset')
      .split('\n')
      .filter((line) => /10\.1\.2|fd00:1:|CNI-[0-9a-f]{24}|macspoofchk|cni-br-iface/.test(line));
  return {
    node,
    podName,
    podPath,
    dataDir: () => dataDir,
    config: (more = {}, ipam = { ranges: RANGES }) => ({
      cniVersion: '1.1.0',
      name: 'net',
      type: 'bridge',
      bridge: 'br0',
      isDefaultGateway: true,
      ipam: { type: 'host-local', dataDir, ...ipam },
      ...more,
    }),
    call: (verb, config, env = {}) =>
      callPlugin(
        {
          type: 'bridge',
          verb,
          config,
          env: { CNI_CONTAINERID: 'a', CNI_NETNS: podPath, ...env },
        },
        node.netns,
      ),
    inPod,
    ip,
    podIp,
    veths,
    reservations,
    podRules,
    scripted(lines, result = '') {
      const [file, log, output] = ['scripted', 'verbs', 'result'].map((name) =>
        join(dataDir, name),
      );
      writeFileSync(output ?? '', result);
      const run = `[ "$CNI_COMMAND" = ADD ] || exit 0\n${lines}\ncat ${output}`;
      writeFileSync(
        file ?? '',
        `#!/bin/sh\ncat > /dev/null\necho $CNI_COMMAND >> ${log}\n${run}\n`,
      );
      chmodSync(file ?? '', 0o755);
      return {
        env: { CNI_PATH: `${dataDir}:${CNI_BIN}`, PATH: process.env.PATH ?? '' },
        verbs: () =>
          readFileSync(log ?? '', 'utf8')
            .trim()
            .split('\n'),
      };
    },
    expectNothingLeft() {
      expect(veths()).toEqual([]);
      expect(podIp('link').map(({ ifname }) => ifname)).toEqual(['lo']);
      expect(reservations()).toEqual([]);
      expect(podRules()).toEqual([]);
    },
  };
}
