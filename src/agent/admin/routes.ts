import type { HealthRegistry } from '../health/registry.ts';
import type { Answer, Route, Routes } from '../http.ts';
import type { Monitor } from '../status/monitor.ts';
import { degradedStatus } from '../status/report.ts';

/** What the admin socket can ask of the agent. */
export interface Administered {
  readonly monitor: Monitor;
  readonly health: HealthRegistry;
  readonly explainName: Route;
  /** Has the agent look whether its configuration has changed; resolves when it has. */
  readonly reload: () => Promise<void>;
}

/** States that a reload can end in. */
const REFUSALS: readonly string[] = ['config-refused', 'corefile-refused', 'reload-failed'];

/** What is answered on the admin socket. */
export function adminRoutes({ monitor, health, explainName, reload }: Administered): Routes {
  return {
    '/status': () => json(200, monitor.status()),
    '/status/history': () => json(200, monitor.history),
    '/explain/name': explainName,
    'POST /reload': async () => {
      await reload();
      const refused = degradedStatus(health.degraded()).filter(({ state }) =>
        REFUSALS.includes(state),
      );
      return json(refused.length === 0 ? 200 : 409, { refused });
    },
  };
}

/** An answer in JSON. */
export function json(status: number, value: unknown): Answer {
  return { status, body: `${JSON.stringify(value)}\n`, type: 'application/json' };
}
