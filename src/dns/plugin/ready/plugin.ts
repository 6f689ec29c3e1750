import { definePlugin } from '../define.ts';
import type { Plugin } from '../plugin.ts';
import { parseReady, type ReadyConfig } from './config.ts';

/** `ready`: answers /ready once every plugin can do its work, and names those that can't. */
export const ready = definePlugin<ReadyConfig>({
  name: 'ready',
  parse: parseReady,
  says: ({ host, port, monitor }) => [
    `answers GET /ready on ${host === '' ? 'every address' : host}, port ${port}`,
    monitor === 'continuously' ? 'looks each time' : 'stays ready once it was',
  ],
  create: ({ host, port, monitor }, { endpoints, notReady }): Plugin => {
    let wasReady = false;
    endpoints.add(host, port, '/ready', () => {
      if (wasReady && monitor === 'until-ready') return { status: 200, text: 'OK' };
      const reasons = notReady();
      if (reasons.length > 0) return { status: 503, text: `${reasons.join('\n')}\n` };
      wasReady = true;
      return { status: 200, text: 'OK' };
    });
    return { name: 'ready' };
  },
});
