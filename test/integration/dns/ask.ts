import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import DNS from 'dns2';

/*
 * A DNS client for tests: queries are written by hand, octet by octet, so that anything can be asked;
 * answers are read by dns2, which knows nothing of ours.
 */

export const TYPES: Readonly<Record<string, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  SVCB: 64,
  HTTPS: 65,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
  TYPE65280: 65_280,
};

export interface Query {
  readonly name: string;
  readonly type?: string;
  readonly classNumber?: number;
  readonly id?: number;
  /** Without it there is no OPT record. */
  readonly edns?: {
    readonly sizeBytes?: number;
    readonly version?: number;
    readonly flags?: number;
    readonly options?: Uint8Array;
  };
}

/** An answer, its records as `owner TTL TYPE data`. */
export interface Answer {
  readonly bytes: Uint8Array;
  readonly id: number;
  readonly rcode: string;
  readonly aa: boolean;
  readonly tc: boolean;
  readonly answers: readonly string[];
  readonly authority: readonly string[];
  /** Without OPT. */
  readonly additional: readonly string[];
  /** The OPT record's payload size, flags and options; undefined without it. */
  readonly opt:
    | { readonly sizeBytes: number; readonly flags: number; readonly data: Uint8Array }
    | undefined;
}

const TIMEOUT_MS = 3_000;
const RCODES = [
  'NOERROR',
  'FORMERR',
  'SERVFAIL',
  'NXDOMAIN',
  'NOTIMP',
  'REFUSED',
  '6',
  '7',
  '8',
  'NOTAUTH',
];

/** A query as it goes over the wire; names keep their letters. */
export function encodeQuery({
  name,
  type = 'A',
  classNumber = 1,
  id = 0x1234,
  edns,
}: Query): Buffer {
  const labels = name === '.' ? [] : name.replace(/\.$/, '').split('.');
  const typeNumber = TYPES[type] ?? Number(type.replace('TYPE', ''));
  const head = Buffer.alloc(12);
  head.writeUInt16BE(id, 0);
  head.writeUInt16BE(0x0100, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(edns === undefined ? 0 : 1, 10);
  const tail = Buffer.alloc(5);
  tail.writeUInt16BE(typeNumber, 1);
  tail.writeUInt16BE(classNumber, 3);
  const question = labels.map((label) =>
    Buffer.concat([Buffer.of(label.length), Buffer.from(label, 'latin1')]),
  );
  const opt = Buffer.alloc(edns === undefined ? 0 : 11);
  if (edns !== undefined) {
    opt.writeUInt16BE(41, 1);
    opt.writeUInt16BE(edns.sizeBytes ?? 1232, 3);
    opt.writeUInt8(edns.version ?? 0, 6);
    opt.writeUInt16BE(edns.flags ?? 0, 7);
    opt.writeUInt16BE(edns.options?.length ?? 0, 9);
  }
  return Buffer.concat([head, ...question, tail, opt, edns?.options ?? Buffer.alloc(0)]);
}

/** Asks over UDP or TCP and reads the answer. */
export async function ask(
  port: number,
  transport: 'udp' | 'tcp',
  query: Query,
  address?: string,
): Promise<Answer> {
  const message = encodeQuery(query);
  const reply =
    transport === 'udp'
      ? await askUdp(port, message, address)
      : ((await askTcp(port, [message], 1, address))[0] ?? Buffer.alloc(0));
  return decodeAnswer(reply);
}

/** Sends a datagram and gives the first that comes back; rejects when none does. */
export async function askUdp(
  port: number,
  message: Uint8Array,
  address = '127.0.0.1',
): Promise<Buffer> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  try {
    socket.send(message, port, address);
    const [reply] = (await once(socket, 'message', {
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })) as [Buffer];
    return reply;
  } finally {
    socket.close();
  }
}

/** Sends messages over one connection and gives the answers in the order they come, `count` of them. */
export async function askTcp(
  port: number,
  messages: readonly Uint8Array[],
  count = messages.length,
  address = '127.0.0.1',
): Promise<Buffer[]> {
  const socket = connect(port, address);
  try {
    socket.write(Buffer.concat(messages.map((message) => framed(message))));
    return await readMessages(socket, count);
  } finally {
    socket.destroy();
  }
}

/** A message with its length before it. */
export function framed(message: Uint8Array): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

/** Reads `count` messages, or as many as come before the other side ends. */
export async function readMessages(
  socket: AsyncIterable<Buffer>,
  count: number,
): Promise<Buffer[]> {
  const messages: Buffer[] = [];
  let pending = Buffer.alloc(0);
  const late = AbortSignal.timeout(TIMEOUT_MS * 5);
  for await (const chunk of socket) {
    late.throwIfAborted();
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const length = pending.readUInt16BE(0);
      messages.push(pending.subarray(2, 2 + length));
      pending = pending.subarray(2 + length);
    }
    if (messages.length >= count) break;
  }
  return messages;
}

/** Reads an answer; names and numbers by dns2, flags and OPT by hand. */
export function decodeAnswer(bytes: Uint8Array): Answer {
  const packet = DNS.Packet.parse(Buffer.from(bytes));
  const view = Buffer.from(bytes);
  const opt = packet.additionals.find(({ type }) => type === 41);
  const optAt = opt === undefined ? -1 : findOpt(view);
  const extended = optAt < 0 ? 0 : view.readUInt8(optAt + 5);
  const rcode = (extended << 4) | ((bytes[3] ?? 0) & 0xf);
  return {
    bytes,
    id: view.readUInt16BE(0),
    rcode: rcode === 16 ? 'BADVERS' : (RCODES[rcode] ?? `${rcode}`),
    aa: ((bytes[2] ?? 0) & 4) !== 0,
    tc: ((bytes[2] ?? 0) & 2) !== 0,
    answers: packet.answers.map(show),
    authority: packet.authorities.map(show),
    additional: packet.additionals.filter(({ type }) => type !== 41).map(show),
    opt:
      optAt < 0
        ? undefined
        : {
            sizeBytes: view.readUInt16BE(optAt + 3),
            flags: view.readUInt16BE(optAt + 7),
            data: bytes.subarray(optAt + 11, optAt + 11 + view.readUInt16BE(optAt + 9)),
          },
  };
}

/** OPT is the last record of our answers; it begins with the root's name. */
function findOpt(view: Buffer): number {
  for (let at = view.length - 11; at >= 12; at -= 1) {
    if (view[at] !== 0 || view.readUInt16BE(at + 1) !== 41) continue;
    if (at + 11 + view.readUInt16BE(at + 9) === view.length) return at;
  }
  return -1;
}

type Shown = ReturnType<typeof DNS.Packet.parse>['answers'][number];

function show(record: Shown): string {
  const { name, type, ttl } = record;
  const typeText =
    Object.entries(TYPES).find(([, number]) => number === type)?.[0] ?? `TYPE${type}`;
  return `${name} ${ttl} ${typeText} ${dataOf(record, typeText)}`;
}

function dataOf(resource: Shown, type: string): string {
  const record = resource as unknown as Readonly<Record<string, unknown>>;
  switch (type) {
    case 'A':
    case 'AAAA':
      return String(record.address);
    case 'SRV':
      return ['priority', 'weight', 'port', 'target'].map((field) => record[field]).join(' ');
    case 'SOA':
      return ['primary', 'admin', 'refresh', 'retry', 'expiration', 'minimum']
        .map((field) => record[field])
        .join(' ');
    case 'NS':
      return String(record.ns);
    case 'TXT':
      return [record.data]
        .flat()
        .map((text) => JSON.stringify(text))
        .join(' ');
    default:
      return String(record.domain ?? record.data);
  }
}
