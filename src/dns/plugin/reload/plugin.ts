import { definePlugin } from '../define.ts';
import { parseReload, type ReloadConfig } from './config.ts';

/** `reload`: a changed Corefile is taken over. `CorefileWatcher` does it, for it outlives the file. */
export const reload = definePlugin<ReloadConfig>({
  name: 'reload',
  parse: parseReload,
  says: ({ intervalMs, jitterMs }) => [
    `looks every ${intervalMs / 1000} s (give or take ${jitterMs / 1000} s) whether the Corefile or a file it uses has changed`,
    'a file that is wrong changes nothing: the last good one stays in force, and everything listens on',
  ],
  create: () => ({ name: 'reload' }),
});
