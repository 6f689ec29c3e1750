import type { AttributeTable } from '../attribute.ts';
import { actionsType } from './action.ts';

/** TCA_MATCHALL_* (linux/pkt_cls.h), tc-matchall(8). */
export const matchallAttributes = {
  classId: { id: 1, type: 'u32' },
  actions: { id: 2, type: actionsType },
} as const satisfies AttributeTable;
