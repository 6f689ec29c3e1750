import { definePlugin } from '../define.ts';
import { type BindConfig, parseBind } from './config.ts';

/** `bind`: the addresses to listen on. The agent opens them. */
export const bind = definePlugin<BindConfig>({
  name: 'bind',
  repeats: true,
  parse: parseBind,
  says: ({ addresses }) => [`listens on ${addresses.join(' ')}`],
  create: () => ({ name: 'bind' }),
});
