import type { AttributeTable } from '../attribute.ts';
import { actionsType } from './action.ts';

/** TCA_BPF_* (linux/pkt_cls.h), tc-bpf(8). */
export const bpfAttributes = {
  actions: { id: 1, type: actionsType },
  classId: { id: 3, type: 'u32' },
  /** Write only: the program, an open descriptor. */
  fd: { id: 6, type: 'u32' },
  name: { id: 7, type: 'string' },
  bpfFlags: { id: 8, type: 'u32' },
  /** Read only: the program's tag and number, as bpftool(8) lists them. */
  tag: { id: 10, type: 'bytes' },
  programId: { id: 11, type: 'u32' },
} as const satisfies AttributeTable;
