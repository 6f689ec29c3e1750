import { LOG_LEVELS } from '../../log.ts';
import { option } from '../option.ts';
import { choice } from '../value-type.ts';

/** The log. */
export const LOG = {
  'log.level': option({
    flag: 'log-level',
    type: choice(LOG_LEVELS),
    default: 'info',
    doc: 'what to log',
    change: 'live',
  }),
};
