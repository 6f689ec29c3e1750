import { definePlugin } from '../define.ts';
import { parseTransfer, type TransferConfig } from './config.ts';

/** `transfer`: who may transfer the zones of `kubernetes`. The server answers them itself. */
export const transfer = definePlugin<TransferConfig>({
  name: 'transfer',
  repeats: true,
  parse: parseTransfer,
  says: ({ lists }) =>
    lists.map(({ zones, to }) => {
      const who = to.some(({ bits }) => bits === 0) ? 'everybody' : `${to.length} addresses`;
      return `lets ${who} transfer ${zones.join(' ')}`;
    }),
  create: () => ({ name: 'transfer' }),
});
