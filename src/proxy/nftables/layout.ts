import { type ChainSpec as ChainShape, PRIORITY } from '../../netlink/nftables/chain.ts';
import type { Expression } from '../../netlink/nftables/expression/expression.ts';
import { loadMeta, loadNumber, loadPayload } from '../../netlink/nftables/expression/load.ts';
import {
  lookup,
  lookupMap,
  lookupVerdict,
  matchCtStatus,
} from '../../netlink/nftables/expression/match.ts';
import { destinationNat, masquerade } from '../../netlink/nftables/expression/nat.ts';
import { storeMeta } from '../../netlink/nftables/expression/store.ts';
import { jumpTo, rejectPort, verdict } from '../../netlink/nftables/expression/verdict.ts';
import type { TableRef } from '../../netlink/nftables/family.ts';
import type { RuleSpec } from '../../netlink/nftables/rule.ts';
import type { SetSpec } from '../../netlink/nftables/set.ts';
import {
  CLASSID,
  concat,
  type DataType,
  INET_PROTO,
  INET_SERVICE,
  IPV4_ADDR,
  IPV6_ADDR,
  MARK,
  VERDICT,
} from '../../netlink/nftables/types.ts';

/*
 * The fixed part of the rules, the same for one Service and for thirty thousand:
 *
 *   prerouting, output ── jump services
 *                           │ (daddr . proto . dport) in service-ips gives the number of endpoints
 *                           │ that number in pick-chains gives the chain
 *                     ┌─────┴──────┐
 *                   refuse      pick-N: a random slot below N;
 *                               (daddr . proto . dport . slot) in endpoints gives where to send
 *
 *   postrouting ── a translated connection whose endpoint is its own client is masqueraded
 */

/** Podwire's table of each family. */
export const TABLE = {
  4: { family: 'ip', name: 'podwire' },
  6: { family: 'ip6', name: 'podwire' },
} as const satisfies Record<4 | 6, TableRef>;
export const TABLE_COMMENT = 'Services, by podwire';

export const SERVICE_IPS = 'service-ips';
export const ENDPOINTS = 'endpoints';
export const PICK_CHAINS = 'pick-chains';
export const HAIRPIN = 'hairpin';
export const REFUSE = 'refuse';

/** A chain with all its rules. */
export interface ChainSpec extends ChainShape {
  readonly rules: readonly RuleSpec[];
}

/** Offsets of the address fields in the IP header (RFC 791 section 3.1, RFC 8200 section 3). */
const HEADER = {
  4: { source: 12, destination: 16, bytes: 4, type: IPV4_ADDR },
  6: { source: 8, destination: 24, bytes: 16, type: IPV6_ADDR },
} as const;
const DESTINATION_PORT_OFFSET = 2; // of TCP, UDP and SCTP alike

/** How many 4-byte registers an address takes. */
const wordsOf = (family: 4 | 6): number => HEADER[family].bytes / 4;

/** The name of the chain for Services with `count` endpoints. */
export function pickChain(count: number): string {
  return count === 0 ? REFUSE : `pick-${count}`;
}

/** The sets and maps, without elements. */
export function setSpecs(family: 4 | 6): SetSpec[] {
  const address: DataType = HEADER[family].type;
  return [
    {
      name: SERVICE_IPS,
      comment: 'a Service: the number of its endpoints',
      key: concat(address, INET_PROTO, INET_SERVICE),
      data: CLASSID,
    },
    {
      name: PICK_CHAINS,
      comment: 'a number of endpoints: the chain that picks one',
      key: CLASSID,
      data: VERDICT,
    },
    {
      name: ENDPOINTS,
      comment: 'a Service and a slot: where to send',
      key: concat(address, INET_PROTO, INET_SERVICE, MARK),
      data: concat(address, INET_SERVICE),
    },
    {
      name: HAIRPIN,
      comment: 'an endpoint that reached itself through a Service',
      key: concat(address, address),
    },
  ];
}

/** The chains that are always there. */
export function staticChains(family: 4 | 6): ChainSpec[] {
  const { source, bytes } = HEADER[family];
  const words = wordsOf(family);
  const toServices: RuleSpec = {
    comment: 'to the Services',
    expressions: [verdict(jumpTo('services'))],
  };
  return [
    {
      name: REFUSE,
      comment: 'Services without endpoints',
      rules: [{ comment: 'no endpoint is ready', expressions: [rejectPort(TABLE[family].family)] }],
    },
    {
      name: 'services',
      comment: 'finds the Service of a new connection',
      rules: [
        {
          comment: 'number of endpoints, then its chain',
          expressions: [
            ...loadServiceKey(family),
            lookupMap(SERVICE_IPS, 0, 0),
            // nft(8) up to 1.0.6 aborts when it lists a lookup that takes its key from another, so
            // the number goes through the packet's priority. That is the field nobody misses: only
            // a connection's first packet comes here, and forwarding sets it again from the TOS.
            storeMeta('priority', 0),
            loadMeta('priority', 0),
            lookupVerdict(PICK_CHAINS, 0),
          ],
        },
      ],
    },
    {
      name: 'prerouting',
      comment: 'traffic of pods and from outside',
      hook: { type: 'nat', hook: 'prerouting', priority: PRIORITY.dstnat },
      rules: [toServices],
    },
    {
      name: 'output',
      comment: 'traffic of the node itself',
      hook: { type: 'nat', hook: 'output', priority: PRIORITY.dstnat },
      rules: [toServices],
    },
    {
      name: 'postrouting',
      comment: 'makes replies come back through this node where they would not',
      hook: { type: 'nat', hook: 'postrouting', priority: PRIORITY.srcnat },
      rules: [
        {
          comment: 'a pod that reached itself',
          expressions: [
            ...matchCtStatus('dnat', 0),
            loadPayload('network', source, bytes, 0),
            loadPayload('network', HEADER[family].destination, bytes, words),
            lookup(HAIRPIN, 0),
            masquerade({ flags: ['fully-random'] }),
          ],
        },
      ],
    },
  ];
}

/** The chain that sends a connection to one of `count` endpoints, each as likely. */
export function pickChainSpec(family: 4 | 6, count: number): ChainSpec {
  const words = wordsOf(family);
  return {
    name: pickChain(count),
    comment: `Services with ${count} endpoint${count === 1 ? '' : 's'}`,
    rules: [
      {
        comment: 'a random slot',
        expressions: [
          ...loadServiceKey(family),
          loadNumber('random', count, words + 2),
          lookupMap(ENDPOINTS, 0, 0),
          destinationNat({ family: TABLE[family].family, addressWord: 0, portWord: words }),
        ],
      },
    ],
  };
}

/** Loads destination address, transport protocol and destination port side by side. */
function loadServiceKey(family: 4 | 6): Expression[] {
  const { destination, bytes } = HEADER[family];
  const words = wordsOf(family);
  return [
    loadPayload('network', destination, bytes, 0),
    loadMeta('l4proto', words),
    loadPayload('transport', DESTINATION_PORT_OFFSET, 2, words + 1),
  ];
}
