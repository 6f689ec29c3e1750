import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { encodeMessage } from '../../../src/dns/message/encode.ts';
import { type Message, parseMessage } from '../../../src/dns/message/message.ts';
import { parseRecord } from '../../../src/dns/message/record-text.ts';

/** One query an upstream was asked. */
export interface Asked {
  readonly message: Message;
  readonly transport: 'udp' | 'tcp';
  readonly port: number;
  /** Sends bytes as they are, as a stranger would. */
  readonly send: (bytes: Uint8Array) => void;
}

/** What the upstream says; undefined is nothing. */
export type Script = (asked: Asked) => Partial<Message> | undefined | Promise<Partial<Message>>;

/** A DNS server on real sockets that does what a test tells it. */
export class ScriptedUpstream {
  readonly asked: Asked[] = [];
  script: Script;
  readonly #udp: UdpSocket;
  readonly #tcp: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(script: Script, udp: UdpSocket, tcp: Server) {
    this.script = script;
    this.#udp = udp;
    this.#tcp = tcp;
    udp.on('message', (bytes, from) => {
      this.#serve(bytes, 'udp', from.port, (reply) => udp.send(reply, from.port, from.address));
    });
    tcp.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket)).on('error', () => socket.destroy());
      let pending = Buffer.alloc(0);
      socket.on('data', (chunk: Buffer<ArrayBuffer>) => {
        pending = Buffer.concat([pending, chunk]);
        while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
          const end = 2 + pending.readUInt16BE(0);
          this.#serve(pending.subarray(2, end), 'tcp', socket.remotePort ?? 0, (reply) => {
            const head = Buffer.alloc(2);
            head.writeUInt16BE(reply.length);
            socket.write(Buffer.concat([head, reply]));
          });
          pending = pending.subarray(end);
        }
      });
    });
  }

  /** Listens by UDP and TCP; on `port` when one is given. */
  static async start(script: Script, port = 0, address = '127.0.0.1'): Promise<ScriptedUpstream> {
    const tcp = createServer();
    tcp.listen(port, address);
    await once(tcp, 'listening');
    const udp = createSocket('udp4');
    udp.bind((tcp.address() as AddressInfo).port, address);
    await once(udp, 'listening');
    return new ScriptedUpstream(script, udp, tcp);
  }

  get port(): number {
    return this.#udp.address().port;
  }

  /** Queries for a name, in the order they came. */
  askedFor(name: string): Asked[] {
    return this.asked.filter(({ message }) => message.question.name === name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#tcp.close();
    this.#udp.close();
    await once(this.#udp, 'close');
  }

  #serve(
    bytes: Uint8Array,
    transport: 'udp' | 'tcp',
    port: number,
    send: (reply: Uint8Array) => void,
  ): void {
    const message = parseMessage(bytes);
    const asked = { message, transport, port, send };
    this.asked.push(asked);
    void (async () => {
      const reply = await this.script(asked);
      if (reply !== undefined) send(encodeMessage({ ...message, qr: true, ra: true, ...reply }));
    })();
  }
}

/** An answer of records in zone file form. */
export function records(...lines: string[]): Partial<Message> {
  return { answers: lines.map(parseRecord) };
}

/** NXDOMAIN or NODATA with an SOA that makes it good for `seconds`. */
export function denial(rcode: number, seconds: number): Partial<Message> {
  return {
    rcode,
    authorities: [parseRecord(`test. ${seconds} SOA ns.test. h.test. 1 7200 900 86400 ${seconds}`)],
  };
}
