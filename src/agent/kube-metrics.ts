import { Counter, Gauge, type Registry } from 'prom-client';
import type { KubeStatus } from '../cluster/kube/source.ts';

/** How following the API server goes. */
export class KubeMetrics {
  readonly #errors: Counter;

  /** `status` is asked when somebody asks for metrics; it gives undefined without an API server. */
  constructor(registry: Registry, status: () => KubeStatus | undefined) {
    const gauge = (name: string, help: string, value: (status: KubeStatus) => number) =>
      new Gauge({
        name,
        help,
        registers: [registry],
        collect() {
          const now = status();
          if (now !== undefined) this.set(value(now));
        },
      });
    gauge('podwire_kube_objects', 'Objects of the API server that are kept', (now) => now.objects);
    gauge('podwire_kube_synced', 'Whether all objects were read since the start', (now) =>
      Number(now.isSynced),
    );
    gauge(
      'podwire_kube_stale_seconds',
      'For how long the objects may have been out of date; 0 while every change is heard of',
      ({ staleSinceMs }) => (staleSinceMs === undefined ? 0 : (Date.now() - staleSinceMs) / 1000),
    );
    gauge(
      'podwire_kube_saved_state',
      'Whether the objects are those of the saved state, for the API server was not heard yet',
      ({ restoredFromMs }) => Number(restoredFromMs !== undefined),
    );
    this.#errors = new Counter({
      name: 'podwire_kube_errors_total',
      help: 'How often something new was wrong with the API server or its objects',
      registers: [registry],
    });
  }

  error(): void {
    this.#errors.inc();
  }
}
