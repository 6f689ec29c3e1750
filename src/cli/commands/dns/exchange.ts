import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, isIPv6 } from 'node:net';
import DNS from 'dns2';

/** Where to ask. */
export interface Server {
  readonly address: string;
  readonly port: number;
}

/** An answer and how it came. */
export interface Exchanged {
  readonly packet: DNS.Packet;
  readonly transport: 'udp' | 'tcp';
  readonly durationMs: number;
}

/** How to ask. */
export interface ExchangeOptions {
  readonly name: string;
  /** The number of the type. */
  readonly type: number;
  readonly overTcp: boolean;
  /** For each try. */
  readonly timeoutMs: number;
  /** By UDP, for what is lost; a TCP connection is tried once. */
  readonly tries: number;
}

/** Nobody answered, and why. */
export class ExchangeError extends Error {}

const UDP_BYTES_MAX = 1232;

/** Asks by UDP, and by TCP where the answer was truncated. Rejects with ExchangeError. */
export async function exchange(server: Server, options: ExchangeOptions): Promise<Exchanged> {
  const { name, type, overTcp, tries, timeoutMs } = options;
  const start = performance.now();
  const query = new DNS.Packet();
  query.header.id = DNS.Packet.uuid();
  query.header.rd = 1;
  query.questions.push(new DNS.Packet.Question({ name, type, class: DNS.Packet.CLASS.IN }));
  query.additionals.push(DNS.Packet.Resource.EDNS([], { udpPayloadSize: UDP_BYTES_MAX }));
  const done = (packet: DNS.Packet, transport: 'udp' | 'tcp'): Exchanged => ({
    packet,
    transport,
    durationMs: performance.now() - start,
  });
  if (!overTcp) {
    const packet = await byUdp(server, query, tries, timeoutMs);
    if (packet.header.tc === 0) return done(packet, 'udp');
  }
  return done(await byTcp(server, query, timeoutMs), 'tcp');
}

async function byUdp(
  { address, port }: Server,
  query: DNS.Packet,
  tries: number,
  timeoutMs: number,
): Promise<DNS.Packet> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  try {
    // Connected, it takes nobody else's answers and learns that nobody listens.
    socket.connect(port, address);
    await once(socket, 'connect');
    for (let attempt = 1; attempt <= tries; attempt += 1) {
      socket.send(query.toBuffer());
      const signal = AbortSignal.timeout(timeoutMs);
      while (!signal.aborted) {
        const message = await next(socket, signal);
        if (message === undefined) break;
        const packet = parse(message);
        if (packet?.header.id === query.header.id) return packet;
      }
    }
    const count = tries === 1 ? 'one try' : `${tries} tries`;
    throw new ExchangeError(`no answer by UDP in ${timeoutMs} ms (${count})`);
  } catch (error) {
    throw explained(error, 'UDP');
  } finally {
    socket.close();
  }
}

async function next(
  socket: ReturnType<typeof createSocket>,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  try {
    const [message] = (await once(socket, 'message', { signal })) as [Buffer];
    return message;
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

async function byTcp(
  { address, port }: Server,
  query: DNS.Packet,
  timeoutMs: number,
): Promise<DNS.Packet> {
  const socket = connect({ host: address, port });
  const late = setTimeout(
    () => socket.destroy(new ExchangeError(`no answer by TCP in ${timeoutMs} ms`)),
    timeoutMs,
  );
  try {
    await once(socket, 'connect');
    const message = query.toBuffer();
    const length = Buffer.alloc(2);
    length.writeUInt16BE(message.length);
    socket.write(Buffer.concat([length, message]));
    const packet = parse(await DNS.Packet.readStream(socket));
    if (packet === undefined) throw new ExchangeError('what came by TCP is no DNS message');
    return packet;
  } catch (error) {
    throw explained(error, 'TCP');
  } finally {
    clearTimeout(late);
    socket.destroy();
  }
}

/** Undefined for what is no message: by UDP waiting goes on. */
function parse(message: Buffer): DNS.Packet | undefined {
  try {
    return DNS.Packet.parse(message);
  } catch {
    return undefined;
  }
}

function explained(error: unknown, transport: 'UDP' | 'TCP'): ExchangeError {
  if (error instanceof ExchangeError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ECONNREFUSED') return new ExchangeError(`nobody listens by ${transport}`);
  return new ExchangeError(`${transport}: ${message}`);
}
