import { TYPE } from '../wire/constants.ts';
import { encodeName } from '../wire/name.ts';
import type { PlannedName } from '../zone/names.ts';
import {
  BELOW_EMPTY,
  BELOW_PODS,
  BELOW_SERVICE,
  ENTRY_FLAGS,
  ENTRY_HEADER_BYTES,
  ENTRY_NAME_BYTES,
  ENTRY_RRSETS,
  ENTRY_VIEW,
  KIND_SERVICE_ADDRESSES,
  REVERSE_ENDPOINT,
  REVERSE_SERVICE,
  RRSET_HEADER_BYTES,
} from './format.ts';

/** What a count of two octets can say, and far more than an answer can hold. */
const RECORDS_MAX = 65_535;

const ADDRESS_TYPES = [
  { family: 4, type: TYPE.A, octets: 4 },
  { family: 6, type: TYPE.AAAA, octets: 16 },
] as const;

const REVERSE = { service: REVERSE_SERVICE, endpoint: REVERSE_ENDPOINT } as const;
const BELOW = { empty: BELOW_EMPTY, service: BELOW_SERVICE, pods: BELOW_PODS } as const;

/** A name in wire form without the root, as entries have it. */
export function relativeName(name: string): Uint8Array {
  return encodeName(name).subarray(0, -1);
}

/** The block of a planned name, but for its hash and its place in the Service's chain. */
export function encodeEntry(view: number, planned: PlannedName, wire: Uint8Array): Uint8Array {
  const rrsets = rrsetsOf(planned, wire);
  const size = rrsets.reduce((sum, each) => sum + each.length, ENTRY_HEADER_BYTES + wire.length);
  const bytes = new Uint8Array(size);
  const reverse = planned.reverse === undefined ? 0 : REVERSE[planned.reverse];
  bytes[ENTRY_FLAGS] = reverse | (planned.below === undefined ? 0 : BELOW[planned.below]);
  bytes[ENTRY_NAME_BYTES] = wire.length;
  bytes[ENTRY_RRSETS] = rrsets.length;
  bytes[ENTRY_VIEW] = view;
  bytes.set(wire, ENTRY_HEADER_BYTES);
  let at = ENTRY_HEADER_BYTES + wire.length;
  for (const rrset of rrsets) {
    bytes.set(rrset, at);
    at += rrset.length;
  }
  return bytes;
}

function rrsetsOf(planned: PlannedName, wire: Uint8Array): Uint8Array[] {
  const { addresses = [], before = 0, srv, cname, txt } = planned;
  const offset = afterLabels(wire, before);
  const rrsets: Uint8Array[] = [];
  for (const { family, type, octets } of ADDRESS_TYPES) {
    const own = addresses.filter((addr) => addr.family === family).slice(0, RECORDS_MAX);
    if (own.length === 0) continue;
    const { rrset, data } = emptyRrset(type, offset, own.length, own.length * octets);
    own.forEach((addr, index) => {
      data.set(addr.toBytes(), index * octets);
    });
    rrsets.push(rrset);
  }
  if (planned.hasServiceAddresses) {
    rrsets.push(emptyRrset(KIND_SERVICE_ADDRESSES, offset, 0, 0).rrset);
  }
  if (srv !== undefined && srv.targets.length > 0) rrsets.push(encodeSrv(srv, offset));
  if (cname !== undefined) {
    const name = encodeName(cname);
    const { rrset, data } = emptyRrset(TYPE.CNAME, offset, 1, name.length);
    data.set(name);
    rrsets.push(rrset);
  }
  if (txt !== undefined) {
    const text = new TextEncoder().encode(txt);
    const { rrset, data } = emptyRrset(TYPE.TXT, offset, 1, text.length + 1);
    data[0] = text.length;
    data.set(text, 1);
    rrsets.push(rrset);
  }
  return rrsets;
}

function encodeSrv({ weight, targets }: NonNullable<PlannedName['srv']>, offset: number) {
  const records = targets.slice(0, RECORDS_MAX).map(({ port, host }) => {
    const labels = host === '' ? new Uint8Array() : relativeName(host);
    return Uint8Array.of(port & 255, port >>> 8, labels.length, ...labels);
  });
  const size = records.reduce((sum, each) => sum + each.length, 2);
  const { rrset, data } = emptyRrset(TYPE.SRV, offset, records.length, size);
  data[0] = weight & 255;
  data[1] = weight >>> 8;
  let at = 2;
  for (const record of records) {
    data.set(record, at);
    at += record.length;
  }
  return rrset;
}

function emptyRrset(kind: number, offset: number, count: number, lengthBytes: number) {
  const rrset = new Uint8Array(RRSET_HEADER_BYTES + lengthBytes);
  const view = new DataView(rrset.buffer);
  view.setUint8(0, kind);
  view.setUint8(1, offset);
  view.setUint16(2, count, true);
  view.setUint32(4, lengthBytes, true);
  return { rrset, data: rrset.subarray(RRSET_HEADER_BYTES) };
}

/** The offset in a wire name after its first `labels` labels. */
function afterLabels(wire: Uint8Array, labels: number): number {
  let at = 0;
  for (let index = 0; index < labels; index += 1) at += 1 + (wire[at] ?? 0);
  return at;
}
