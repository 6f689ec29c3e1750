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
    const registers = [registry];
    const status = this;
    new Gauge({
      name: 'podwire_config_last_reload_successful',
      help: 'Whether the configuration file, as it was last looked at, is in force',
      registers,
      collect() {
        this.set(status.problem === undefined ? 1 : 0);
      },
    });
    new Gauge({
      name: 'podwire_config_last_reload_success_timestamp_seconds',
      help: 'When the configuration file was last put in force',
      registers,
      collect() {
        this.set(status.successMs / 1000);
      },
    });
    new Gauge({
      name: 'podwire_config_restart_needed',
      help: 'Options that the configuration file says otherwise, and that wait for a restart',
      registers,
      collect() {
        this.set(status.restart.length);
      },
    });
  }
}
