import { EEXIST, ENOENT } from '../../sys/errno.ts';
import type { Attributes } from '../attribute.ts';
import {
  decodePayload,
  encodePayload,
  type Message,
  NLM_F_CREATE,
  NLM_F_EXCL,
} from '../message.ts';
import { happens } from '../outcome.ts';
import type { RouteConnection } from '../route/connection.ts';
import type { Writer } from '../writer.ts';
import { type Action, decodeAction, encodeAction } from './action.ts';
import { bpfAttributes } from './bpf.ts';
import { decodeFlower, encodeFlower, type Flower, flowerAttributes } from './flower.ts';
import { matchallAttributes } from './matchall.ts';
import { TCA_OPTIONS, tcAttributes, tcmsg } from './message.ts';
import { ETH_P_ALL } from './protocol.ts';
import { type U32Key, u32Attributes } from './u32.ts';

const RTM_NEWTFILTER = 44; // linux/rtnetlink.h
const RTM_DELTFILTER = 45;
const RTM_GETTFILTER = 46;
const TCA_BPF_FLAG_ACT_DIRECT = 1; // linux/pkt_cls.h

const filterPayload = {
  header: tcmsg,
  attributes: {
    ...tcAttributes,
    options: {
      id: TCA_OPTIONS,
      type: {
        choice: {
          bpf: bpfAttributes,
          flower: flowerAttributes,
          matchall: matchallAttributes,
          u32: u32Attributes,
        },
        by: 'kind',
      },
    },
  },
} as const;

type FilterOptions = NonNullable<Attributes<(typeof filterPayload)['attributes']>['options']>;

/** Where a filter is. */
export interface FilterPlace {
  readonly linkIndex: number;
  /** Handle of the qdisc or class whose packets it sees, or TC_CLSACT_INGRESS or TC_CLSACT_EGRESS. */
  readonly parent: number;
  /** Its turn: lower ones come first. By default the kernel gives it one. */
  readonly priority?: number | undefined;
  /** ETH_P_* of the packets it sees, by default all. */
  readonly protocol?: number | undefined;
  /** Its number beside others of the same priority; by default the kernel gives it one. */
  readonly handle?: number | undefined;
  readonly chain?: number | undefined;
}

/** What a filter does with the packets it matches. */
interface Matched {
  /** They belong to the class. */
  readonly classId?: number | undefined;
  readonly actions?: readonly Exclude<Action, { kind: 'other' }>[] | undefined;
}

/** A BPF program that classifies packets. */
interface BpfSpec {
  /** The program, open. */
  readonly fd: number;
  /** What tc(8) shows. */
  readonly name: string;
  /** What the program gives is what becomes of the packet; otherwise it is a class. */
  readonly directAction?: boolean | undefined;
}

/** What a filter is made with: settings stand under the name of its kind. */
export type FilterSpec = FilterPlace &
  Matched &
  (
    | { readonly kind: 'bpf'; readonly bpf: BpfSpec }
    | { readonly kind: 'flower'; readonly flower: Flower }
    | { readonly kind: 'matchall' }
    | { readonly kind: 'u32'; readonly u32: { readonly keys: readonly U32Key[] } }
  );

/** A filter as the kernel has it. */
export interface Filter {
  readonly linkIndex: number;
  readonly parent: number;
  readonly priority: number;
  readonly protocol: number;
  /** 0 for what is listed once for all filters of a priority. */
  readonly handle: number;
  readonly chain: number;
  readonly kind: string;
  readonly classId: number | undefined;
  readonly actions: readonly Action[];
  readonly bpf?:
    | (Omit<BpfSpec, 'fd'> & {
        /** The program's tag and number, as bpftool(8) lists them. */
        readonly tag: Uint8Array | undefined;
        readonly programId: number | undefined;
      })
    | undefined;
  readonly flower?: Flower | undefined;
  /** With `divisor` it is a table of hashes rather than a filter. */
  readonly u32?:
    | { readonly keys: readonly U32Key[]; readonly divisor: number | undefined }
    | undefined;
}

/** Adds a filter. Gives false when there is one with its priority and handle. */
export function filterAdd(connection: RouteConnection, spec: FilterSpec): boolean {
  return happens(EEXIST, () => send(connection, NLM_F_CREATE | NLM_F_EXCL, 'add', spec));
}

/** Adds a filter or takes the place of the one with its priority and handle. */
export function filterReplace(connection: RouteConnection, spec: FilterSpec): void {
  send(connection, NLM_F_CREATE, 'replace', spec);
}

function send(connection: RouteConnection, flags: number, verb: string, spec: FilterSpec): void {
  const { kind, linkIndex, chain } = spec;
  const attributes = { kind, chain, options: encodeOptions(spec) };
  connection.netlink.execute({
    operation: `${verb} filter ${kind} on link ${linkIndex}`,
    type: RTM_NEWTFILTER,
    flags,
    write: (writer) => encodePayload(writer, filterPayload, headerOf(spec), attributes),
  });
}

function headerOf(place: FilterPlace) {
  const { linkIndex, parent, priority = 0, protocol = ETH_P_ALL, handle = 0 } = place;
  return { ifindex: linkIndex, parent, handle, info: priority * 0x1_0000 + swap(protocol) };
}

/** The protocol is in network byte order inside a number in the host's. */
function swap(protocol: number): number {
  return ((protocol & 0xff) << 8) | (protocol >> 8);
}

function encodeOptions(spec: FilterSpec): FilterOptions {
  const { classId } = spec;
  const matched = { classId, actions: spec.actions?.map(encodeAction) };
  switch (spec.kind) {
    case 'bpf': {
      const { fd, name, directAction } = spec.bpf;
      const bpfFlags = directAction === true ? TCA_BPF_FLAG_ACT_DIRECT : undefined;
      return { bpf: { fd, name, bpfFlags, ...matched } };
    }
    case 'flower':
      return {
        flower: { ...encodeFlower(spec.flower, spec.protocol ?? ETH_P_ALL), ...matched },
      };
    case 'matchall':
      return { matchall: matched };
    case 'u32':
      return { u32: { keys: spec.u32.keys, ...matched } };
  }
}

/**
 * Removes the filter with the handle, or without one all of the priority, or all of the parent
 * without that. Gives false when there is none.
 */
export function filterDel(
  connection: RouteConnection,
  place: FilterPlace,
  kind?: FilterSpec['kind'],
): boolean {
  const { chain } = place;
  return happens(ENOENT, () =>
    connection.netlink.execute({
      operation: `delete filter of link ${place.linkIndex}`,
      type: RTM_DELTFILTER,
      write: (writer) => encodePayload(writer, filterPayload, headerOf(place), { kind, chain }),
    }),
  );
}

/** The filters of a qdisc or class. */
export function filterList(
  connection: RouteConnection,
  { linkIndex, parent }: Pick<FilterPlace, 'linkIndex' | 'parent'>,
): Filter[] {
  const request = {
    operation: `list filters of link ${linkIndex}`,
    type: RTM_GETTFILTER,
    write: (writer: Writer) =>
      encodePayload(writer, filterPayload, { ifindex: linkIndex, parent }, {}),
  };
  return connection.netlink.dump(request, decodeFilter);
}

function decodeFilter(message: Message): Filter {
  const { header, attributes } = decodePayload(filterPayload, message.payload);
  const { bpf, flower, matchall, u32 } = attributes.options ?? {};
  const matched = bpf ?? flower ?? matchall ?? u32;
  return {
    linkIndex: header.ifindex,
    parent: header.parent,
    priority: header.info >>> 16,
    protocol: swap(header.info & 0xffff),
    handle: header.handle,
    chain: attributes.chain ?? 0,
    kind: attributes.kind ?? '',
    classId: matched?.classId,
    actions: matched?.actions?.map(decodeAction) ?? [],
    ...(bpf === undefined
      ? {}
      : {
          bpf: {
            name: bpf.name ?? '',
            directAction: ((bpf.bpfFlags ?? 0) & TCA_BPF_FLAG_ACT_DIRECT) !== 0,
            tag: bpf.tag,
            programId: bpf.programId,
          },
        }),
    ...(flower === undefined ? {} : { flower: decodeFlower(flower) }),
    ...(u32 === undefined ? {} : { u32: { keys: u32.keys ?? [], divisor: u32.divisor } }),
  };
}
