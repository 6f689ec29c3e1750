import { Counter, Gauge, type Registry } from 'prom-client';
import type { ServerStatus } from '../cluster/server-source.ts';

/** How following a server goes: `podwire_kube_...` for the API server, `podwire_etcd_...` for etcd. */
export class ServerMetrics {
  /** Asked when somebody asks for metrics; undefined while no such server is followed. */
  status: (() => ServerStatus) | undefined;
  readonly #errors: Counter;

  constructor(registry: Registry, subsystem: 'kube' | 'etcd', server: string) {
    const registers = [registry];
    const status = () => this.status?.();
    const gauge = (name: string, help: string, value: (status: ServerStatus) => number) =>
      new Gauge({
        name: `podwire_${subsystem}_${name}`,
        help,
        registers,
        collect() {
          const now = status();
          // Of a server that is not followed any more nothing is left.
          this.set(now === undefined ? 0 : value(now));
        },
      });
    gauge('objects', `Objects of ${server} that are kept`, (now) => now.objects);
    gauge('synced', `Whether all objects of ${server} were read since the start`, (now) =>
      Number(now.isSynced),
    );
    gauge(
      'stale_seconds',
      `For how long the objects of ${server} may have been out of date; 0 while every change is heard of`,
      ({ staleSinceMs }) => (staleSinceMs === undefined ? 0 : (Date.now() - staleSinceMs) / 1000),
    );
    gauge(
      'saved_state',
      `Whether the objects are those of the saved state, for ${server} was not heard yet`,
      ({ restoredFromMs }) => Number(restoredFromMs !== undefined),
    );
    this.#errors = new Counter({
      name: `podwire_${subsystem}_errors_total`,
      help: `How often something new was wrong with ${server} or its objects`,
      registers,
    });
  }

  error(): void {
    this.#errors.inc();
  }
}
