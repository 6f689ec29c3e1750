import type { Attributes } from '../attribute.ts';
import type { chainAttributes } from './attributes.ts';
import type { Family } from './family.ts';
import { commentOf, commentUserdata } from './userdata.ts';

const INET_HOOK = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;

/** The places in a packet's way, by family (linux/netfilter.h and its relatives). */
const HOOK_NUMBER: Readonly<Record<Family, Readonly<Partial<Record<HookName, number>>>>> = {
  ip: INET_HOOK,
  ip6: INET_HOOK,
  inet: { ...INET_HOOK, ingress: 5 },
  bridge: INET_HOOK,
  arp: { input: 0, output: 1 },
  netdev: { ingress: 0, egress: 1 },
};

/** A place in a packet's way, by nft(8)'s name. */
export type HookName =
  | 'prerouting'
  | 'input'
  | 'forward'
  | 'output'
  | 'postrouting'
  | 'ingress'
  | 'egress';

/** Priorities with a name (linux/netfilter_ipv4.h); lower ones come first. */
export const PRIORITY = {
  raw: -300,
  mangle: -150,
  dstnat: -100,
  filter: 0,
  security: 50,
  srcnat: 100,
} as const;

/** Where a base chain sees packets. */
export interface Hook {
  readonly type: 'filter' | 'nat' | 'route';
  readonly hook: HookName;
  readonly priority: number;
  /** What happens at the chain's end; without it `accept`. */
  readonly policy?: 'accept' | 'drop' | undefined;
  /** The interfaces of an ingress or egress chain; in listings by their names. */
  readonly devices?: readonly string[] | undefined;
}

/** A chain as it is made; one without a hook is only jumped to. */
export interface ChainSpec {
  readonly name: string;
  readonly comment?: string | undefined;
  readonly hook?: Hook | undefined;
}

/** A chain as the kernel has it. */
export interface Chain extends ChainSpec {
  readonly handle: bigint;
  /** How many rules it has, and jumps to it. */
  readonly useCount: number;
}

const NF_DROP = 0;

/** The attributes that make a chain. Throws RangeError for a hook the family does not have. */
export function encodeChain(
  family: Family,
  table: string,
  chain: ChainSpec,
): Attributes<typeof chainAttributes> {
  const { hook } = chain;
  return {
    table,
    name: chain.name,
    ...(hook === undefined ? {} : encodeHook(family, hook)),
    userdata: commentUserdata(chain.comment),
  };
}

function encodeHook(family: Family, hook: Hook): Attributes<typeof chainAttributes> {
  const number = HOOK_NUMBER[family][hook.hook];
  if (number === undefined) {
    const known = Object.keys(HOOK_NUMBER[family]).join(', ');
    throw new RangeError(`hook "${hook.hook}" of family ${family}, expected one of ${known}`);
  }
  const [device, ...more] = hook.devices ?? [];
  return {
    hook: {
      number,
      priority: hook.priority >>> 0,
      // One device goes into the older attribute, which every kernel knows.
      ...(more.length === 0 ? { device } : { devices: hook.devices }),
    },
    policy: hook.policy === 'drop' ? NF_DROP : undefined,
    type: hook.type,
  };
}

/** The chain a message tells of. */
export function decodeChain(family: Family, attributes: Attributes<typeof chainAttributes>): Chain {
  const { name = '', handle = 0n, useCount = 0, userdata, hook, policy, type } = attributes;
  return {
    name,
    comment: commentOf(userdata),
    hook: hook === undefined ? undefined : decodeHook(family, hook, type, policy),
    handle,
    useCount,
  };
}

function decodeHook(
  family: Family,
  hook: NonNullable<Attributes<typeof chainAttributes>['hook']>,
  type: string | undefined,
  policy: number | undefined,
): Hook {
  const numbers = Object.entries(HOOK_NUMBER[family]);
  const [name] = numbers.find(([, number]) => number === hook.number) ?? [`hook ${hook.number}`];
  const devices = hook.devices ?? (hook.device === undefined ? undefined : [hook.device]);
  return {
    type: (type ?? 'filter') as Hook['type'],
    hook: name as HookName,
    priority: (hook.priority ?? 0) | 0,
    policy: policy === NF_DROP ? 'drop' : undefined,
    devices: devices?.toSorted(),
  };
}
