import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClusterObject } from '../../../src/cluster/objects.ts';
import { TableClusterView } from '../../../src/dns/cluster-view.ts';
import { parseCorefile } from '../../../src/dns/corefile/parse.ts';
import type { ClusterDns } from '../../../src/dns/dns.ts';
import { configure } from '../../../src/dns/plugin/configure.ts';
import type { KubernetesConfig } from '../../../src/dns/plugin/kubernetes/config.ts';
import type { Labels, MetricName } from '../../../src/dns/plugin/metrics.ts';
import { DnsRuntime } from '../../../src/dns/plugin/runtime.ts';
import { CorefileWatcher } from '../../../src/dns/plugin/watcher.ts';
import { type RunningDns, startDns } from '../dns/cluster-fixture.ts';

const DNS_PORT = 53;

/** What was counted and set, by name and labels as one text. */
export class CountedMetrics {
  readonly values = new Map<string, number>();

  count(name: MetricName, labels: Labels = {}, by = 1): void {
    const key = keyOf(name, labels);
    this.values.set(key, (this.values.get(key) ?? 0) + by);
  }

  set(name: MetricName, labels: Labels, value: number): void {
    this.values.set(keyOf(name, labels), value);
  }

  observe(name: MetricName, labels: Labels): void {
    this.count(name, labels);
  }

  /** The sum of all series of the name whose labels contain `labels`. */
  total(name: MetricName, labels = ''): number {
    let sum = 0;
    for (const [key, value] of this.values) {
      if (key.startsWith(`${name} `) && key.includes(labels)) sum += value;
    }
    return sum;
  }
}

function keyOf(name: MetricName, labels: Labels): string {
  const parts = Object.entries(labels).map(([label, value]) => `${label}=${value}`);
  return `${name} ${parts.sort().join(' ')}`;
}

/** A server that runs a Corefile, on a port of its own. */
export interface RunningCorefile extends AsyncDisposable {
  readonly port: number;
  readonly runtime: DnsRuntime;
  readonly watcher: CorefileWatcher;
  readonly metrics: CountedMetrics;
  readonly log: string[];
  readonly path: string;
  readonly server: RunningDns;
  /** Moves the clock the cache goes by. */
  readonly clock: { aheadMs: number };
  write(text: string): void;
}

/** How the server is started. */
export interface StartOptions {
  readonly objects?: readonly ClusterObject[];
  /** Whether threads get the shared answers; they go by the machine's clock. */
  readonly shares?: boolean;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Runs a Corefile whose server blocks are on port 53; the real port is another one. */
export async function startCorefile(
  text: string,
  options: StartOptions = {},
): Promise<RunningCorefile> {
  const directory = mkdtempSync(join(tmpdir(), `podwire-dns-forward-${process.pid}-`));
  const path = join(directory, 'Corefile');
  writeFileSync(path, text);
  const log: string[] = [];
  const write =
    (level: string) =>
    (fields: object, message: string): void => {
      log.push(`${level} ${message} ${JSON.stringify(fields)}`);
    };
  const metrics = new CountedMetrics();
  const clock = { aheadMs: 0 };
  const parse = { environment: options.environment ?? {}, defaultPort: DNS_PORT };
  const configuration = configure(parseCorefile(path, text, parse));
  const zone = configuration.blocks
    .flatMap(({ plugins }) => plugins)
    .find(({ name }) => name === 'kubernetes')?.config as KubernetesConfig | undefined;
  let dns: ClusterDns | undefined;
  let server: RunningDns | undefined;
  const dnsLog = {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
  };
  const runtime: DnsRuntime = new DnsRuntime({
    log: dnsLog,
    metrics,
    metricsText: async () =>
      [...metrics.values].map(([key, value]) => `${key} ${value}`).join('\n'),
    cluster: new TableClusterView({
      table: () => {
        if (dns === undefined) throw new Error('asked before the table is there');
        return dns.zone.table;
      },
      get state() {
        if (server === undefined) throw new Error('asked before the store is there');
        return server.store;
      },
      domain: 'cluster.local',
      isSynced: () => true,
    }),
    now: () => Date.now() + clock.aheadMs,
    sharedSize: { slots: 1024, arenaBytes: 1 << 20 },
  });
  await runtime.apply(configuration);
  server = await startDns(options.objects ?? [], zone?.options ?? { zones: [] }, {
    fallback: runtime.fallback(DNS_PORT),
    handsOverAll: runtime.handsOverAll(DNS_PORT),
    answerer: { recursionAvailable: true },
    ...(options.shares === true ? { sharedAnswers: runtime.sharedAnswers(DNS_PORT) } : {}),
  });
  ({ dns } = server);
  const watcher = new CorefileWatcher(configuration, {
    path,
    parse,
    log: dnsLog,
    metrics,
    apply: (next) => runtime.apply(next),
  });
  const running = server;
  return {
    port: server.port,
    runtime,
    watcher,
    metrics,
    log,
    path,
    server,
    clock,
    write: (next) => writeFileSync(path, next),
    async [Symbol.asyncDispose]() {
      watcher.close();
      await running.dns.stop();
      runtime.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
