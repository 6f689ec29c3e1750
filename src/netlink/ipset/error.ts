import { PodwireError } from '../../errors.ts';
import { NetlinkError } from '../error.ts';
import type { SetType } from './set-type.ts';

/** enum ipset_errno (linux/netfilter/ipset/ip_set.h), from IPSET_ERR_PROTOCOL on. */
const IPSET_ERR_PROTOCOL = 4097;
const COMMON_NAMES = [
  'IPSET_ERR_PROTOCOL',
  'IPSET_ERR_FIND_TYPE',
  'IPSET_ERR_MAX_SETS',
  'IPSET_ERR_BUSY',
  'IPSET_ERR_EXIST_SETNAME2',
  'IPSET_ERR_TYPE_MISMATCH',
  'IPSET_ERR_EXIST',
  'IPSET_ERR_INVALID_CIDR',
  'IPSET_ERR_INVALID_NETMASK',
  'IPSET_ERR_INVALID_FAMILY',
  'IPSET_ERR_TIMEOUT',
  'IPSET_ERR_REFERENCED',
  'IPSET_ERR_IPADDR_IPV4',
  'IPSET_ERR_IPADDR_IPV6',
  'IPSET_ERR_COUNTER',
  'IPSET_ERR_COMMENT',
  'IPSET_ERR_INVALID_MARKMASK',
  'IPSET_ERR_SKBINFO',
] as const;

/** What means the same number depends on the set's type, from IPSET_ERR_TYPE_SPECIFIC on. */
const IPSET_ERR_TYPE_SPECIFIC = 4352;
const TYPE_NAMES = {
  hash: [
    'IPSET_ERR_HASH_FULL',
    'IPSET_ERR_HASH_ELEM',
    'IPSET_ERR_INVALID_PROTO',
    'IPSET_ERR_MISSING_PROTO',
    'IPSET_ERR_HASH_RANGE_UNSUPPORTED',
    'IPSET_ERR_HASH_RANGE',
  ],
  bitmap: ['IPSET_ERR_BITMAP_RANGE', 'IPSET_ERR_BITMAP_RANGE_SIZE'],
  list: [
    'IPSET_ERR_NAME',
    'IPSET_ERR_LOOP',
    'IPSET_ERR_BEFORE',
    'IPSET_ERR_NAMEREF',
    'IPSET_ERR_LIST_FULL',
    'IPSET_ERR_REF_EXIST',
  ],
} as const;

/** The entry is there already, or for a delete or test is not there. */
export const IPSET_ERR_EXIST = 4103;

/** ipset refused a request for a reason of its own, which has a name. */
export class IpsetError extends PodwireError {
  readonly operation: string;
  readonly errno: number;
  /** Such as `IPSET_ERR_HASH_FULL`. */
  readonly errnoName: string;

  constructor(cause: NetlinkError, type: SetType | undefined) {
    const name = ipsetErrorName(cause.errno, type) ?? cause.errnoName;
    super('ERR_IPSET', `${cause.operation}: ${name}`, { cause });
    this.operation = cause.operation;
    this.errno = cause.errno;
    this.errnoName = name;
  }
}

/** The name of one of ipset's own errors, or undefined for an errno of the system. */
export function ipsetErrorName(errno: number, type: SetType | undefined): string | undefined {
  if (errno < IPSET_ERR_TYPE_SPECIFIC) return COMMON_NAMES[errno - IPSET_ERR_PROTOCOL];
  const [kind] = (type ?? '').split(':');
  const names: Readonly<Record<string, readonly string[]>> = TYPE_NAMES;
  return names[kind ?? '']?.[errno - IPSET_ERR_TYPE_SPECIFIC];
}

/** Runs `work` and names the errors of ipset that it throws. */
export function withNamedErrors<T>(type: SetType | undefined, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof NetlinkError && error.errno >= IPSET_ERR_PROTOCOL) {
      throw new IpsetError(error, type);
    }
    throw error;
  }
}

/** A set that cannot be made or entered as it was said. */
export class IpsetValueError extends PodwireError {
  constructor(set: string, problem: string) {
    super('ERR_IPSET_VALUE', `set ${set}: ${problem}`);
  }
}
