import { Gauge, type Registry } from 'prom-client';
import type { OptionName } from './definitions.ts';

/** How the configuration in force stands to what its file says now. */
export class ReloadStatus {
  /** Why the file is not in force; undefined when it is. */
  problem: string | undefined;
  /** When the file was last found to be in force (Date.now). */
  successMs = Date.now();
  /** What the file says otherwise, and only a restart brings about. */
  restart: readonly OptionName[] = [];

  /** Registers the metrics, which are named as Prometheus' own. */
  register(registry: Registry): void {
    const gauge = (name: string, help: string, value: () => number) =>
      new Gauge({
        name: `podwire_config_${name}`,
        help,
        registers: [registry],
        collect() {
          this.set(value());
        },
      });
    gauge(
      'last_reload_successful',
      'Whether the configuration file, as it was last looked at, is in force',
      () => Number(this.problem === undefined),
    );
    gauge(
      'last_reload_success_timestamp_seconds',
      'When the configuration file was last put in force',
      () => this.successMs / 1000,
    );
    gauge(
      'restart_needed',
      'Options that the configuration file says otherwise, and that wait for a restart',
      () => this.restart.length,
    );
  }
}
