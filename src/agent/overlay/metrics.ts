import { Counter, Gauge, type Registry } from 'prom-client';
import type { OverlayStatus } from './keeper.ts';

/** Registers what there is to count of an overlay. */
export function registerOverlay(registry: Registry, status: () => OverlayStatus): void {
  new Gauge({
    name: 'podwire_overlay_peers',
    help: 'Other nodes whose pods are reached',
    registers: [registry],
    collect() {
      this.set(status().peers);
    },
  });
  let counted = 0;
  new Counter({
    name: 'podwire_overlay_syncs_total',
    help: 'How often the kernel was compared with what the Nodes say',
    registers: [registry],
    collect() {
      const { syncs } = status();
      this.inc(syncs - counted);
      counted = syncs;
    },
  });
}
