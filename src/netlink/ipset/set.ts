import type { Attributes } from '../attribute.ts';
import { bitsOf, namesOf } from '../flags.ts';
import { NFPROTO_IP } from '../netfilter.ts';
import type { setCommandAttributes } from './attributes.ts';
import type { Entry } from './entry.ts';
import { IpsetValueError } from './error.ts';
import { isSetType, type SetType } from './set-type.ts';

/** IPSET_FLAG_WITH_*: what each entry has beside its key. */
const SET_FLAG = { counters: 1 << 3, comment: 1 << 4, forceadd: 1 << 5 } as const;

/** A set as it is made. */
export interface IpsetSpec {
  readonly name: string;
  readonly type: SetType;
  /** Of the addresses; only and always for types of `hash:`. */
  readonly family?: 4 | 6 | undefined;
  /** The first and last port of a `bitmap:port`, both included. */
  readonly ports?: readonly [number, number] | undefined;
  /** Where a hash starts; it grows by itself. */
  readonly hashSize?: number | undefined;
  /** The most entries a hash or list may have. */
  readonly entriesMax?: number | undefined;
  /** After this time an entry goes, unless it has its own; 0 is never. Without it none can. */
  readonly timeoutSeconds?: number | undefined;
  /** Each entry counts its packets, may have a comment, or may push out another when full. */
  readonly flags?: readonly (keyof typeof SET_FLAG)[] | undefined;
}

/** A set as the kernel has it. */
export interface Ipset extends IpsetSpec {
  readonly revision: number;
  /** How many rules and lists refer to it. */
  readonly references: number;
  readonly entries: readonly Entry[];
}

/** What follows the protocol in the command that makes a set. Throws IpsetValueError. */
export function encodeSet(
  set: IpsetSpec,
  revision: number,
): Attributes<typeof setCommandAttributes> {
  const { name, type, family, ports, hashSize, entriesMax, timeoutSeconds, flags = [] } = set;
  check(set, 'family', family !== undefined, type.startsWith('hash:'));
  check(set, 'ports', ports !== undefined, type === 'bitmap:port');
  const isList = type === 'list:set';
  return {
    name,
    typeName: type,
    revision,
    family: family === undefined ? 0 : NFPROTO_IP[family],
    data: {
      portFrom: ports?.[0],
      portTo: ports?.[1],
      timeout: timeoutSeconds,
      flags: flags.length === 0 ? undefined : bitsOf(SET_FLAG, flags),
      hashSize,
      elementsMax: isList ? undefined : entriesMax,
      size: isList ? entriesMax : undefined,
    },
  };
}

function check(set: IpsetSpec, field: string, isThere: boolean, isNeeded: boolean): void {
  if (isThere === isNeeded) return;
  throw new IpsetValueError(
    set.name,
    `${field} is ${isThere ? 'given' : 'missing'}, expected ${isNeeded ? 'one' : 'none'} for type ${set.type}`,
  );
}

/** The set a listing tells of; undefined when it is of a type that is not known here. */
export function decodeSet(
  wire: Attributes<typeof setCommandAttributes>,
): Omit<Ipset, 'entries'> | undefined {
  const { name = '', typeName = '', revision = 0, family = 0, data = {} } = wire;
  if (!isSetType(typeName)) return undefined;
  const {
    portFrom,
    portTo,
    timeout,
    flags = 0,
    hashSize,
    elementsMax,
    size,
    references = 0,
  } = data;
  const names = namesOf(SET_FLAG, flags);
  return {
    name,
    type: typeName,
    family: family === 0 ? undefined : family === NFPROTO_IP[4] ? 4 : 6,
    ports: portFrom === undefined || portTo === undefined ? undefined : [portFrom, portTo],
    hashSize,
    entriesMax: elementsMax ?? size,
    timeoutSeconds: timeout,
    flags: names.length === 0 ? undefined : names,
    revision,
    references,
  };
}
