import { Gauge, type Registry } from 'prom-client';
import type { HealthRegistry } from './registry.ts';

/** Registers podwire_degraded, which has all states there are, so that an alert can name each. */
export function registerDegraded(registry: Registry, health: HealthRegistry): void {
  new Gauge({
    name: 'podwire_degraded',
    help: 'How many things are wrong now in a way that is named; 0 while all is well',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      for (const [state, count] of health.counts()) this.set({ state }, count);
    },
  });
}
