import type { Addr } from '../../../ipaddr/addr.ts';
import type { LinkAddr } from '../../../netlink/route/addr.ts';
import type { KernelFdbEntry } from '../../../netlink/route/fdb.ts';
import type { KernelNeigh } from '../../../netlink/route/neigh.ts';
import type { KernelRoute } from '../../../netlink/route/route.ts';
import type { Entries } from './plan.ts';

/**
 * The protocol number of addresses, neighbours and routes that are ours (RTPROT_* of
 * linux/rtnetlink.h, where nobody else has it).
 */
export const PROTOCOL_PODWIRE = 112;

/** What the kernel has on the device, by whomever. */
export interface Actual {
  readonly addresses: readonly LinkAddr[];
  readonly neighs: readonly KernelNeigh[];
  readonly fdb: readonly KernelFdbEntry[];
  readonly routes: readonly KernelRoute[];
}

/** What is to be done. */
export interface Difference {
  /** To be made, in place of what is there for the same address, MAC address or subnet. */
  readonly missing: Entries;
  /** To be removed: ours, and for what nobody has any more. */
  readonly stale: Actual;
}

type Key = string | number;

/** Desired less actual, and the other way round. Pure. */
export function difference(desired: Entries, actual: Actual): Difference {
  const addresses = compare(desired.addresses, actual.addresses, {
    desiredKey: ({ key }) => key,
    actualKey: ({ prefix }) => prefix.key,
    // Kernels before 5.18 don't keep the protocol of an address.
    isSame: () => true,
    isOurs: ({ protocol }) => protocol === PROTOCOL_PODWIRE,
  });
  const neighs = compare(desired.neighs, actual.neighs, {
    desiredKey: ({ dst }) => dst.key,
    actualKey: ({ dst }) => dst.key,
    isSame: ({ mac }, { lladdr, state }) => state === 'permanent' && lladdr?.key === mac.key,
    isOurs: ({ protocol }) => protocol === PROTOCOL_PODWIRE,
  });
  const fdb = compare(desired.fdb, actual.fdb, {
    desiredKey: ({ mac }) => mac.key,
    actualKey: ({ mac }) => mac.key,
    isSame: ({ endpoint }, entry) => leadsTo(entry, endpoint),
    isOurs: ({ externLearn }) => externLearn === true,
  });
  const routes = compare(desired.routes, actual.routes, {
    desiredKey: ({ dst }) => dst.key,
    actualKey: ({ dst }) => dst.key,
    isSame: ({ gateway }, route) => route.gateway?.equals(gateway) === true,
    isOurs: ({ protocol }) => protocol === PROTOCOL_PODWIRE,
  });
  return {
    missing: {
      addresses: addresses.missing,
      neighs: neighs.missing,
      fdb: fdb.missing,
      routes: routes.missing,
    },
    stale: {
      addresses: addresses.stale,
      neighs: neighs.stale,
      fdb: fdb.stale,
      routes: routes.stale,
    },
  };
}

function leadsTo({ dst, state, port, vni, viaIndex }: KernelFdbEntry, endpoint: Addr): boolean {
  const isPlain = port === undefined && vni === undefined && viaIndex === undefined;
  return isPlain && state === 'permanent' && dst?.equals(endpoint) === true;
}

interface Kind<D, A> {
  readonly desiredKey: (desired: D) => Key;
  readonly actualKey: (actual: A) => Key;
  /** Whether one that has the same key, and is ours, is as it should be. */
  readonly isSame: (desired: D, actual: A) => boolean;
  readonly isOurs: (actual: A) => boolean;
}

function compare<D, A>(
  desired: readonly D[],
  actual: readonly A[],
  kind: Kind<D, A>,
): { missing: D[]; stale: A[] } {
  const present = new Map(actual.map((each) => [kind.actualKey(each), each]));
  const wanted = new Set(desired.map(kind.desiredKey));
  return {
    missing: desired.filter((each) => {
      const found = present.get(kind.desiredKey(each));
      return found === undefined || !kind.isSame(each, found);
    }),
    stale: actual.filter((each) => kind.isOurs(each) && !wanted.has(kind.actualKey(each))),
  };
}
