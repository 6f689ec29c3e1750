import type { Attributes, AttributeTable } from '../attribute.ts';
import { struct } from '../struct.ts';

/** TC_ACT_* (linux/pkt_cls.h): what becomes of a packet after an action. */
const CONTROLS = {
  /** The filters go on as if nothing had matched. */
  continue: -1,
  ok: 0,
  reclassify: 1,
  /** It is dropped, TC_ACT_SHOT. */
  drop: 2,
  /** The next action has its turn. */
  pipe: 3,
  stolen: 4,
  queued: 5,
  repeat: 6,
  redirect: 7,
  trap: 8,
} as const;

type Control = keyof typeof CONTROLS;

/** TCA_EGRESS_REDIR and its like (linux/tc_act/tc_mirred.h). */
const MIRRED_MODES = [
  { mode: 'redirect', direction: 'egress' },
  { mode: 'mirror', direction: 'egress' },
  { mode: 'redirect', direction: 'ingress' },
  { mode: 'mirror', direction: 'ingress' },
] as const;

/** tc_gen, the fields all actions start with. */
const tcGen = {
  index: 'u32',
  capab: 'u32',
  action: 's32',
  refcnt: 's32',
  bindcnt: 's32',
} as const;

/** TCA_MIRRED_* (linux/tc_act/tc_mirred.h). */
const mirredAttributes = {
  parms: {
    id: 2,
    type: { struct: struct('tc_mirred', { ...tcGen, eaction: 's32', ifindex: 'u32' }) },
  },
} as const satisfies AttributeTable;

/** TCA_GACT_* (linux/tc_act/tc_gact.h). */
const gactAttributes = {
  parms: { id: 2, type: { struct: struct('tc_gact', tcGen) } },
} as const satisfies AttributeTable;

/** TCA_ACT_* (linux/pkt_cls.h). */
const actionAttributes = {
  kind: { id: 1, type: 'string' },
  options: {
    id: 2,
    type: { choice: { gact: gactAttributes, mirred: mirredAttributes }, by: 'kind' },
  },
} as const satisfies AttributeTable;

/** The actions of a filter, the first in place 1: TCA_U32_ACT and its like. */
export const actionsType = { indexed: { nested: actionAttributes }, first: 1 } as const;

type ActionAttributes = Attributes<typeof actionAttributes>;

/** Sends the packet, or a copy of it, out of a link or into it. */
export interface Mirred {
  readonly mode: 'redirect' | 'mirror';
  readonly direction: 'egress' | 'ingress';
  readonly linkIndex: number;
  /** By default `stolen` for what is redirected, and `pipe` for what is mirrored. */
  readonly control?: Control | undefined;
}

/** What a filter does with a packet, tc-actions(8). */
export type Action =
  | { readonly kind: 'mirred'; readonly mirred: Mirred }
  /** Only decides what becomes of it. */
  | { readonly kind: 'gact'; readonly control: Control }
  /** One this does not know; read only. */
  | { readonly kind: 'other'; readonly name: string };

export function encodeAction(action: Exclude<Action, { kind: 'other' }>): ActionAttributes {
  if (action.kind === 'gact') {
    return { kind: 'gact', options: { gact: { parms: { action: CONTROLS[action.control] } } } };
  }
  const { mode, direction, linkIndex, control } = action.mirred;
  const place = MIRRED_MODES.findIndex(
    (each) => each.mode === mode && each.direction === direction,
  );
  const parms = {
    action: CONTROLS[control ?? (mode === 'redirect' ? 'stolen' : 'pipe')],
    eaction: place + 1,
    ifindex: linkIndex,
  };
  return { kind: 'mirred', options: { mirred: { parms } } };
}

export function decodeAction({ kind = '', options }: ActionAttributes): Action {
  const { gact, mirred } = options ?? {};
  if (gact !== undefined) return { kind: 'gact', control: controlName(gact.parms?.action) };
  const { action, eaction = 0, ifindex = 0 } = mirred?.parms ?? {};
  const mode = MIRRED_MODES[eaction - 1];
  if (mode === undefined) return { kind: 'other', name: kind };
  return {
    kind: 'mirred',
    mirred: { ...mode, linkIndex: ifindex, control: controlName(action) },
  };
}

function controlName(number: number | undefined): Control {
  return CONTROL_NAMES.find((name) => CONTROLS[name] === number) ?? 'continue';
}

const CONTROL_NAMES = Object.keys(CONTROLS) as Control[];
