import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClusterObject } from '../../../src/cluster/objects.ts';
import { Store } from '../../../src/cluster/store.ts';
import { CorefileDns, type CorefileDnsOptions } from '../../../src/dns/corefile-dns.ts';
import type { Labels, MetricName } from '../../../src/dns/plugin/metrics.ts';

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

  clear(name: MetricName): void {
    for (const key of this.values.keys()) if (key.startsWith(`${name} `)) this.values.delete(key);
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
  readonly dns: CorefileDns;
  readonly store: Store;
  readonly metrics: CountedMetrics;
  readonly log: string[];
  readonly path: string;
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
  readonly more?: Partial<CorefileDnsOptions>;
}

/** Runs a Corefile; server blocks that name no port are on one the kernel chooses. */
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
  const store = new Store();
  store.replace(options.objects ?? []);
  const dns = await CorefileDns.start(store, {
    source: { path },
    environment: options.environment ?? {},
    port: 0,
    addresses: ['::'],
    workers: 2,
    answerer: {},
    log: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
    metrics,
    metricsText: async () =>
      [...metrics.values].map(([key, value]) => `${key} ${value}`).join('\n'),
    now: () => Date.now() + clock.aheadMs,
    sharedSize: { slots: 1024, arenaBytes: 1 << 20 },
    onFailure: (error) => {
      throw error;
    },
    sharesCache: options.shares ?? false,
    ...options.more,
  });
  return {
    port: dns.servers[0]?.server.port ?? 0,
    dns,
    store,
    metrics,
    log,
    path,
    clock,
    write: (next) => writeFileSync(path, next),
    async [Symbol.asyncDispose]() {
      await dns.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
