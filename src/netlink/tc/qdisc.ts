import { EEXIST, ENOENT } from '../../sys/errno.ts';
import {
  decodePayload,
  encodePayload,
  type Message,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
} from '../message.ts';
import { happens } from '../outcome.ts';
import type { RouteConnection } from '../route/connection.ts';
import type { Writer } from '../writer.ts';
import { type FqCodel, fqCodelAttributes } from './fq-codel.ts';
import { TC_H_INGRESS, TC_H_ROOT, tcHandle } from './handle.ts';
import { decodeHtb, encodeHtb, type Htb, htbAttributes } from './htb.ts';
import { TCA_OPTIONS, tcAttributes, tcmsg } from './message.ts';
import { decodeStats, type TcStats } from './stats.ts';
import { decodeTbf, encodeTbf, type Tbf, tbfAttributes } from './tbf.ts';

const RTM_NEWQDISC = 36; // linux/rtnetlink.h
const RTM_DELQDISC = 37;
const RTM_GETQDISC = 38;

const qdiscPayload = {
  header: tcmsg,
  attributes: {
    ...tcAttributes,
    options: {
      id: TCA_OPTIONS,
      type: {
        choice: { fq_codel: fqCodelAttributes, htb: htbAttributes, tbf: tbfAttributes },
        by: 'kind',
      },
    },
  },
} as const;

/** Where a qdisc is. */
interface QdiscPlace {
  readonly linkIndex: number;
  /** By default TC_H_ROOT, or TC_H_INGRESS for `ingress` and `clsact`. */
  readonly parent?: number | undefined;
  /** By default the kernel gives it one. */
  readonly handle?: number | undefined;
}

/** What a qdisc is made with: settings stand under the name of its kind. */
export type QdiscSpec = QdiscPlace &
  (
    | { readonly kind: 'clsact' }
    | { readonly kind: 'ingress' }
    | { readonly kind: 'fq_codel'; readonly fq_codel?: FqCodel | undefined }
    | { readonly kind: 'htb'; readonly htb?: Htb | undefined }
    | { readonly kind: 'tbf'; readonly tbf: Tbf }
  );

/** A queueing discipline as the kernel has it. */
export interface Qdisc {
  readonly linkIndex: number;
  readonly parent: number;
  /** 0 for one that the kernel made by itself. */
  readonly handle: number;
  readonly kind: string;
  readonly fq_codel?: FqCodel | undefined;
  readonly htb?: Htb | undefined;
  readonly tbf?: Tbf | undefined;
  readonly stats: TcStats;
}

/** Gives a link a qdisc. Gives false when it has one there that somebody made. */
export function qdiscAdd(connection: RouteConnection, spec: QdiscSpec): boolean {
  return happens(EEXIST, () => send(connection, NLM_F_CREATE | NLM_F_EXCL, 'add', spec));
}

/** Gives a link a qdisc, in place of one that is there; one of its kind and handle is changed. */
export function qdiscReplace(connection: RouteConnection, spec: QdiscSpec): void {
  send(connection, NLM_F_CREATE | NLM_F_REPLACE, 'replace', spec);
}

function send(connection: RouteConnection, flags: number, verb: string, spec: QdiscSpec): void {
  const { linkIndex, kind } = spec;
  const isIngress = kind === 'ingress' || kind === 'clsact';
  const header = {
    ifindex: linkIndex,
    parent: spec.parent ?? (isIngress ? TC_H_INGRESS : TC_H_ROOT),
    handle: spec.handle ?? (isIngress ? tcHandle(0xffff) : 0),
  };
  connection.netlink.execute({
    operation: `${verb} qdisc ${kind} on link ${linkIndex}`,
    type: RTM_NEWQDISC,
    flags,
    write: (writer) =>
      encodePayload(writer, qdiscPayload, header, { kind, options: encodeOptions(spec) }),
  });
}

function encodeOptions(spec: QdiscSpec) {
  switch (spec.kind) {
    case 'fq_codel':
      return { fq_codel: spec.fq_codel ?? {} };
    case 'htb':
      return { htb: encodeHtb(spec.htb ?? {}) };
    case 'tbf':
      return { tbf: encodeTbf(spec.tbf) };
    case 'clsact':
    case 'ingress':
      return undefined;
  }
}

/** Takes a qdisc away, with its classes and filters. Gives false when there is none. */
export function qdiscDel(connection: RouteConnection, place: QdiscPlace): boolean {
  const { linkIndex, parent = TC_H_ROOT, handle = 0 } = place;
  return happens(ENOENT, () =>
    connection.netlink.execute({
      operation: `delete qdisc of link ${linkIndex}`,
      type: RTM_DELQDISC,
      write: (writer) =>
        encodePayload(writer, qdiscPayload, { ifindex: linkIndex, parent, handle }, {}),
    }),
  );
}

/** The qdiscs of one link or of all, those the kernel made by itself among them. */
export function qdiscList(connection: RouteConnection, linkIndex?: number): Qdisc[] {
  const request = {
    operation: 'list qdiscs',
    type: RTM_GETQDISC,
    write: (writer: Writer) => encodePayload(writer, qdiscPayload, { ifindex: linkIndex ?? 0 }, {}),
  };
  // The kernel lists all of them, whatever it is asked.
  return connection.netlink
    .dump(request, decodeQdisc)
    .filter((qdisc) => linkIndex === undefined || qdisc.linkIndex === linkIndex);
}

function decodeQdisc(message: Message): Qdisc {
  const { header, attributes } = decodePayload(qdiscPayload, message.payload);
  const { fq_codel, htb, tbf } = attributes.options ?? {};
  return {
    linkIndex: header.ifindex,
    parent: header.parent,
    handle: header.handle,
    kind: attributes.kind ?? '',
    ...(fq_codel === undefined ? {} : { fq_codel }),
    ...(htb === undefined ? {} : { htb: decodeHtb(htb) }),
    ...(tbf === undefined ? {} : { tbf: decodeTbf(tbf) }),
    stats: decodeStats(attributes),
  };
}
