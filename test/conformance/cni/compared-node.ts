import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNamedNetns, deleteNamedNetns, Netns } from '../../../src/sys/netns.ts';
import { callPlugin } from '../../integration/cni/plugin-fixture.ts';
import { SIDES, type Side } from './sides.ts';

export type Json = Record<string, unknown>;

/** A call of a plugin in a scenario, or a command that somebody gives on the node. */
export type Step = CallStep | readonly [string, ...string[]];

/** One call of a plugin in a scenario. */
export interface CallStep {
  readonly verb: string;
  readonly config?: object;
  readonly env?: Readonly<Record<string, string>>;
  /** Gives CHECK and DEL the result of the last ADD, as a runtime does. */
  readonly withPrevious?: boolean;
  /** The side that is called, where it is not the scenario's. */
  readonly side?: Side;
}

/** What is compared of a plugin. */
export interface Compared {
  /** What every configuration begins with. */
  readonly config: Json & { readonly type: string };
  /** Sysctls of an interface, below `net`, that both sides leave alike; asked for in its namespace. */
  readonly sysctlsOf: (ifName: string) => string[];
}

/** The namespaces and the data directory of one side of a comparison. */
export class ComparedNode {
  readonly #compared: Compared;
  readonly #side: Side;
  readonly #dataDir = mkdtempSync(join(tmpdir(), 'podwire-peer-'));
  readonly #netns: Netns;
  #previous: Json = {};

  constructor(compared: Compared, side: Side) {
    this.#compared = compared;
    this.#side = side;
    createNamedNetns(this.#path('node'));
    createNamedNetns(this.#path('pod'));
    this.#netns = Netns.open(this.#path('node'));
  }

  [Symbol.dispose](): void {
    this.#netns.close();
    deleteNamedNetns(this.#path('node'));
    deleteNamedNetns(this.#path('pod'));
    rmSync(this.#dataDir, { recursive: true, force: true });
  }

  #path(name: 'node' | 'pod'): string {
    return `/run/netns/${nameOf(name)}`;
  }

  do(step: Step): Json {
    if ('verb' in step) return this.call(step);
    const [file, ...args] = step;
    return { stdout: exec('node', file, ...args) };
  }

  /** Status and JSON of a call; of an error the message, for codes and details are more telling here. */
  call({ verb, config, env, withPrevious = false, side = this.#side }: CallStep): Json {
    const { config: common } = this.#compared;
    const base: Json = {
      cniVersion: '1.1.0',
      name: 'net',
      ...common,
      ...config,
      ...(withPrevious ? { prevResult: this.#previous } : {}),
    };
    const { ipam } = base as { ipam: Json };
    // An empty `ipam` asks for an interface without addresses.
    if (Object.keys(ipam).length > 0) base.ipam = { dataDir: this.#dataDir, ...ipam };
    const { status, json } = callPlugin(
      {
        type: common.type,
        verb,
        bin: SIDES[side],
        config: base,
        env: {
          CNI_CONTAINERID: 'a',
          CNI_NETNS: this.#path('pod'),
          // The reference runs nft(8) and iptables(8).
          PATH: process.env.PATH ?? '',
          ...env,
        },
      },
      this.#netns,
    );
    if (verb === 'ADD') this.#previous = json;
    return { status, json: status === 0 ? json : { msg: json.msg } };
  }

  /** Everything the calls left behind. */
  state(): Json {
    const files = join(this.#dataDir, 'net');
    return {
      node: this.#kernel('node'),
      pod: this.#kernel('pod'),
      files: existsSync(files)
        ? // The reference makes the lock for a DEL of nothing, too.
          readdirSync(files)
            .filter((name) => name !== 'lock')
            .map((name) => [name, readFileSync(join(files, name), 'utf8')])
        : [],
    };
  }

  /** All rules of nf_tables, those of iptables(8) among them. */
  rules(): string {
    return exec('node', 'nft', 'list', 'ruleset');
  }

  #kernel(name: 'node' | 'pod'): Json {
    const ip = (...args: string[]): Json[] => JSON.parse(exec(name, 'ip', '-j', ...args)) as Json[];
    const links = ip('-d', 'addr').map(linkOf);
    using netns = Netns.open(this.#path(name));
    const sysctls = netns.run(() =>
      links
        .flatMap(({ ifname }) => (ifname === 'lo' ? [] : this.#compared.sysctlsOf(String(ifname))))
        .concat('ipv4/ip_forward', 'ipv6/conf/all/forwarding')
        .map((path) => `${path} = ${readFileSync(`/proc/sys/net/${path}`, 'utf8').trim()}`),
    );
    return {
      links,
      routes: ip('-4', 'route', 'show', 'table', 'all').map(routeOf),
      // The kernel's own follow the links, and those of an address wait for detection of duplicates.
      routes6: ip('-6', 'route', 'show', 'table', 'all')
        .map(routeOf)
        .filter(({ dst, table }) => table !== 'local' && !String(dst).startsWith('fe80::')),
      sysctls,
    };
  }
}

const nameOf = (name: 'node' | 'pod'): string => `podwire-peer-${name}-${process.pid}`;

/** Runs a program in one of the namespaces; what nft(8) warns of is left aside. */
function exec(name: 'node' | 'pod', file: string, ...args: string[]): string {
  return execFileSync('ip', ['netns', 'exec', nameOf(name), file, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

const pick = (value: Json, ...names: string[]): Json =>
  Object.fromEntries(names.filter((name) => name in value).map((name) => [name, value[name]]));

function linkOf(link: Json): Json {
  const info = (link.linkinfo ?? {}) as Json;
  const port = (info.info_slave_data ?? {}) as Json;
  return {
    ...pick(link, 'ifname', 'mtu', 'master', 'promiscuity'),
    // Carrier follows within a second of a port's coming or going, on both sides.
    flags: (link.flags as string[])
      .filter((flag) => !/CARRIER|LOWER_UP|M-DOWN/.test(flag))
      .toSorted(),
    kind: info.info_kind ?? null,
    port: pick(port, 'hairpin', 'isolated'),
    addresses: (link.addr_info as Json[])
      .map((addr) => pick(addr, 'family', 'local', 'prefixlen', 'broadcast', 'scope'))
      .filter((addr) => addr.family !== 'inet6' || addr.scope !== 'link'),
  };
}

const routeOf = ({ metrics = [], ...route }: Json): Json => ({
  ...pick(
    route,
    'type',
    'dst',
    'gateway',
    'dev',
    'scope',
    'prefsrc',
    'metric',
    'table',
    'protocol',
  ),
  ...(metrics as Json[])[0],
});

/** Numbers the veths in the order of appearance; a MAC address only has to be one. */
export function normalized(value: unknown): unknown {
  const veths = new Map<string, string>();
  const text = JSON.stringify(value)
    .replaceAll(/"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}"/g, '"mac"')
    .replaceAll(/veth[0-9a-f]{8}/g, (found) => {
      const name = veths.get(found) ?? `veth-${veths.size}`;
      veths.set(found, name);
      return name;
    });
  return JSON.parse(text);
}

/** What a side answered to every step, and what it had left by then. */
export function play(compared: Compared, side: Side, steps: readonly Step[]): unknown {
  using node = new ComparedNode(compared, side);
  return normalized(steps.map((step) => ({ answer: node.do(step), state: node.state() })));
}

/** ADD, in a scenario. */
export const add = (config: object = {}, env: CallStep['env'] = {}): CallStep => ({
  verb: 'ADD',
  config,
  env,
});

/** A pod comes, is checked where `isChecked`, goes, and goes once more. */
export const cycle = (config: object, isChecked = true): readonly CallStep[] => [
  add(config),
  ...(isChecked ? [{ verb: 'CHECK', config, withPrevious: true }] : []),
  { verb: 'DEL', config, withPrevious: true },
  { verb: 'DEL', config },
];
