import type { ObjectType } from '../object.ts';
import { OBJECT_TYPE } from '../object.ts';
import type { Expression, StatefulExpression } from './expression.ts';
import { type SetRef, setReference } from './match.ts';
import { register } from './register.ts';

/* Expressions that keep a state from packet to packet, and log. */

/** Counts packets and bytes, from what is given on. */
export function counter(packets = 0n, bytes = 0n): StatefulExpression {
  return { name: 'counter', data: { counter: { bytes, packets } } };
}

const UNIT_SECONDS = {
  second: 1n,
  minute: 60n,
  hour: 3600n,
  day: 86_400n,
  week: 604_800n,
} as const;
const LIMIT_TYPE = { packets: 0, bytes: 1 } as const;

/** A rate, as in `limit rate over 10/second burst 20 packets`. */
export interface Limit {
  readonly rate: number;
  readonly per: keyof typeof UNIT_SECONDS;
  readonly of: keyof typeof LIMIT_TYPE;
  readonly burst: number;
  /** Holds above the rate rather than below it. */
  readonly over?: boolean;
}

const INVERT = 1; // NFT_LIMIT_F_INV, NFT_CONNLIMIT_F_INV, NFT_QUOTA_F_INV

/** The attributes of a limit, for an expression or an object. */
export function limitData({ rate, per, of, burst, over = false }: Limit): {
  readonly rate: bigint;
  readonly unit: bigint;
  readonly burst: number;
  readonly type: number;
  readonly flags: number;
} {
  return {
    rate: BigInt(rate),
    unit: UNIT_SECONDS[per],
    burst,
    type: LIMIT_TYPE[of],
    flags: over ? INVERT : 0,
  };
}

/** Holds while the rate is kept. */
export function limit(value: Limit): StatefulExpression {
  return { name: 'limit', data: { limit: limitData(value) } };
}

/** Holds until so many bytes have passed, or from then on when `over`. */
export function quota(bytes: bigint, over = false): StatefulExpression {
  const data = { bytes, consumed: 0n, flags: over ? INVERT : 0 };
  return { name: 'quota', data: { quota: data } };
}

/** Holds while there are at most so many connections, or more than that when `over`. */
export function connectionLimit(count: number, over = false): StatefulExpression {
  return { name: 'connlimit', data: { connlimit: { count, ...(over ? { flags: INVERT } : {}) } } };
}

/** Uses the named object of the table: counts with it, holds as it does. */
export function objectReference(type: ObjectType, name: string): Expression {
  return { name: 'objref', data: { objref: { type: OBJECT_TYPE[type], name } } };
}

/** Uses the object that a map of objects holds for the registers from `word` on. */
export function objectLookup(set: SetRef, word: number): Expression {
  const data = { sourceRegister: register(word), ...setReference(set) };
  return { name: 'objref', data: { objref: data } };
}

/** Logs to the kernel's log, at a level of syslog(2), 0 to 7. Prefix of at most 127 octets. */
export function log(level: number, prefix?: string): Expression {
  return {
    name: 'log',
    data: { log: { ...(prefix === undefined ? {} : { prefix }), level } },
  };
}

/** Logs to the programs that listen to a group of nfnetlink_log; `snapBytes` of each packet. */
export function logToGroup(group: number, snapBytes: number, prefix?: string): Expression {
  return {
    name: 'log',
    data: {
      log: {
        ...(prefix === undefined ? {} : { prefix }),
        group,
        snapLength: snapBytes,
      },
    },
  };
}
