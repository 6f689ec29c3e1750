import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NftablesConnection } from '../../src/netlink/nftables/connection.ts';
import { chainList, elementList, setGet } from '../../src/netlink/nftables/list.ts';
import { costOf } from './process-cost.ts';
import {
  connects,
  EXECUTABLE_ARGS,
  type Figures,
  now,
  REST_MS,
  settled,
  sleep,
} from './proxy-figures.ts';
import { KubeApi } from './proxy-kube.ts';
import type { Size } from './proxy-objects.ts';
import { Room } from './proxy-room.ts';

/*
 * kube-proxy in its two modes and ours, one after the other, by one API server that has all objects. It is
 * filled once, for that takes longer than all else; the rules go from one to the next.
 */

const CHANGES = 5;
const CONNECTS = 1_500;
/** kube-proxy waits this long between two syncs by default (minSyncPeriod); a single change doesn't. */
const PAUSE_MS = 1_500;

/** Who follows the API server, and where the kernel has its Services. */
interface Candidate {
  readonly name: string;
  readonly start: (api: KubeApi, script: string) => ChildProcess;
  readonly services: (connection: NftablesConnection) => number;
}

const elementsOf = (table: string, map: string) => (connection: NftablesConnection) => {
  const place = { family: 'ip', name: table } as const;
  const found = setGet(connection, place, map);
  return found === undefined ? 0 : elementList(connection, place, found).length;
};

const CANDIDATES: readonly Candidate[] = [
  {
    name: 'podwire, from the API server',
    start: (api, script) => api.run(process.execPath, ...EXECUTABLE_ARGS, script, api.kubeconfig),
    services: elementsOf('podwire', 'cluster-ips'),
  },
  {
    name: 'kube-proxy v1.36.3, nftables',
    start: (api) => api.proxy('nftables'),
    services: elementsOf('kube-proxy', 'service-ips'),
  },
  {
    name: 'kube-proxy v1.36.3, iptables',
    start: (api) => api.proxy('iptables'),
    services: (connection) =>
      chainList(connection, { family: 'ip', name: 'nat' }).filter(({ name }) =>
        name.startsWith('KUBE-SVC-'),
      ).length,
  },
];

/** What each comes to at one size, by its name. `onFigures` is told of each as soon as it is known. */
export async function measureByApi(
  script: string,
  size: Size,
  onFigures: (name: string, figures: Figures) => void,
): Promise<void> {
  using room = new Room('api');
  const server = await room.startServer();
  const files = mkdtempSync(join(tmpdir(), 'podwire-bench-proxy-api-'));
  try {
    using api = await KubeApi.start(files, room);
    await api.ask({ do: 'load', size });
    for (const [index, candidate] of CANDIDATES.entries()) {
      onFigures(candidate.name, await follow(candidate, index, script, size, room, api));
      execFileSync(...room.enter('node', 'nft', 'flush', 'ruleset'));
    }
  } finally {
    server.kill();
    // The API server may write its last file while it ends.
    rmSync(files, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

async function follow(
  { start, services }: Candidate,
  index: number,
  script: string,
  size: Size,
  room: Room,
  api: KubeApi,
): Promise<Figures> {
  const committed = settled(room, (connection) => services(connection) >= size.services);
  const begin = now();
  const child = start(api, script);
  child.stdout?.resume();
  try {
    const committedMs = (await committed) - begin;
    const { cpuMs } = costOf(child.pid ?? 0);
    await sleep(REST_MS);
    const { rssMb, peakMb } = costOf(child.pid ?? 0);
    const latencies = connects(room, size, CONNECTS);
    const change = async (what: Parameters<KubeApi['ask']>[0]): Promise<number> => {
      await sleep(PAUSE_MS);
      const end = settled(room);
      const at = now();
      await api.ask(what);
      return (await end) - at;
    };
    const endpointMs: number[] = [];
    const serviceMs: number[] = [];
    for (let count = 1; count <= CHANGES; count += 1) {
      const at = index * CHANGES + count;
      endpointMs.push(await change({ do: 'endpoint', index: at * 7, size, moved: at }));
      serviceMs.push(await change({ do: 'service', index: size.services + at, size }));
    }
    return { committedMs, cpuMs, rssMb, peakMb, ...latencies, endpointMs, serviceMs };
  } finally {
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  }
}
