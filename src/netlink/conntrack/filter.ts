import type { Attributes } from '../attribute.ts';
import { bitsOf } from '../flags.ts';
import type { flowAttributes } from './attributes.ts';
import { type Flow, type FlowStatus, STATUS } from './flow.ts';
import { encodeTuple, type TuplePattern, tupleMatches } from './tuple.ts';

/** Which flows; one has to have all that is said here. */
export interface FlowFilter {
  readonly family?: 4 | 6 | undefined;
  /** Equal in the bits of `mask`, which without it are all. */
  readonly mark?: { readonly value: number; readonly mask?: number | undefined } | undefined;
  /** All of these. */
  readonly status?: readonly FlowStatus[] | undefined;
  readonly zone?: number | undefined;
  /** Of the direction of the first packet, as it was sent. */
  readonly original?: TuplePattern | undefined;
  /** Of the direction of replies, as they come in. */
  readonly reply?: TuplePattern | undefined;
}

/** CTA_FILTER_F_* (net/netfilter/nf_internals.h), the bits of CTA_FILTER's attributes. */
const FILTER_FIELD = {
  source: 1 << 0,
  destination: 1 << 1,
  zone: 1 << 2,
  protocol: 1 << 3,
  sourcePort: 1 << 4,
  destinationPort: 1 << 5,
} as const;

const ALL_BITS = 0xffffffff;

/** Whether a flow is one of those. */
export function flowMatches(filter: FlowFilter, flow: Flow): boolean {
  const { family, mark, status = [], zone, original, reply } = filter;
  return (
    (family === undefined || family === flow.original.source.family) &&
    (mark === undefined || ((flow.mark ^ mark.value) & (mark.mask ?? ALL_BITS)) === 0) &&
    status.every((name) => flow.status.includes(name)) &&
    (zone === undefined || zone === flow.zone) &&
    (original === undefined || tupleMatches(original, flow.original)) &&
    (reply === undefined || tupleMatches(reply, flow.reply))
  );
}

/** The family the filter is about, as far as it says so. */
export function familyOfFilter(filter: FlowFilter): 4 | 6 | undefined {
  const { family, original, reply } = filter;
  const address = original?.source ?? original?.destination ?? reply?.source ?? reply?.destination;
  return family ?? address?.family;
}

/**
 * What of the filter the kernel can apply while it lists, so that a large table is not copied for
 * nothing. Tuples are for Linux 5.8, the status for 5.15, the zone for 6.10; older kernels pass over
 * what they do not know and list more, so whoever lists has to look at each flow too.
 */
export function encodeFilter(filter: FlowFilter): Attributes<typeof flowAttributes> {
  const { mark, status, zone } = filter;
  const bits = status === undefined ? undefined : bitsOf(STATUS, status);
  return {
    mark: mark?.value,
    markMask: mark === undefined ? undefined : (mark.mask ?? ALL_BITS),
    status: bits,
    statusMask: bits,
    zone,
    ...encodePatterns(filter),
  };
}

function encodePatterns(filter: FlowFilter): Attributes<typeof flowAttributes> {
  // The kernel wants to know the family before it looks into tuples.
  if (familyOfFilter(filter) === undefined) return {};
  const original = kernelPattern(filter.original);
  const reply = kernelPattern(filter.reply);
  const fields = { original: fieldsOf(original), reply: fieldsOf(reply) };
  if (fields.original === 0 && fields.reply === 0) return {};
  return {
    filter: fields,
    original: fields.original === 0 ? undefined : encodeTuple(original),
    reply: fields.reply === 0 ? undefined : encodeTuple(reply),
  };
}

/** The kernel looks at ports only together with the protocol. */
function kernelPattern(pattern: TuplePattern = {}): TuplePattern {
  if (pattern.protocol !== undefined) return pattern;
  const { sourcePort: _, destinationPort: __, ...rest } = pattern;
  return rest;
}

function fieldsOf(pattern: TuplePattern): number {
  const names = (Object.keys(FILTER_FIELD) as (keyof typeof FILTER_FIELD)[]).filter(
    (name) => pattern[name] !== undefined,
  );
  return bitsOf(FILTER_FIELD, names);
}
