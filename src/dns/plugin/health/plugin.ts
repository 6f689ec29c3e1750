import { definePlugin } from '../define.ts';
import type { Plugin } from '../plugin.ts';
import { type HealthConfig, parseHealth } from './config.ts';

const CHECK_INTERVAL_MS = 1_000;

/** `health`: answers /health while the process runs, and measures how late its event loop is. */
export const health = definePlugin<HealthConfig>({
  name: 'health',
  parse: parseHealth,
  says: ({ host, port, lameduckMs }) => [
    `answers GET /health on ${host === '' ? 'every address' : host}, port ${port}`,
    ...(lameduckMs > 0
      ? [`goes on serving for ${lameduckMs / 1000} s after the order to stop`]
      : []),
  ],
  create: ({ host, port }, { endpoints, metrics }): Plugin => {
    let timer: NodeJS.Timeout | undefined;
    endpoints.add(host, port, '/health', () => ({ status: 200, text: 'OK' }));
    const check = (): void => {
      const start = performance.now();
      setImmediate(() => {
        const seconds = (performance.now() - start) / 1000;
        metrics.observe('coredns_health_request_duration_seconds', {}, seconds);
      });
    };
    return {
      name: 'health',
      started() {
        timer = setInterval(check, CHECK_INTERVAL_MS).unref();
      },
      stop() {
        clearInterval(timer);
      },
    };
  },
});
