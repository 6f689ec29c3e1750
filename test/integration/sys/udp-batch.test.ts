import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { parseAddr } from '../../../src/ipaddr/parse-addr.ts';
import { SysError } from '../../../src/sys/errno.ts';
import {
  ORIGIN_BYTES,
  openUdpSocket,
  readOrigin,
  UdpBatchSocket,
  UdpReplySender,
  type UdpSocket,
} from '../../../src/sys/udp-batch.ts';

/** A batch socket together with the socket it uses. */
class Batch extends UdpBatchSocket implements Disposable {
  readonly port: number;
  readonly fd: number;
  readonly #socket: UdpSocket;

  constructor(socket: UdpSocket) {
    super(socket, { batchMax: 8, datagramBytesMax: 512, replyBytesMax: 1232 });
    this.#socket = socket;
    this.port = socket.port;
    this.fd = socket.fd;
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
}

const open = (address: Uint8Array, port = 0, receiveTimeoutMs = 1000): Batch =>
  new Batch(openUdpSocket({ address, port, receiveBufferBytes: 1 << 20, receiveTimeoutMs }));

let client: Socket | undefined;
afterEach(() => {
  client?.close();
  client = undefined;
});

/** Sends `messages` to `address` from one socket and gives the replies with their sources. */
async function ask(address: string, port: number, messages: string[], serve: () => void) {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  client = socket;
  const replies: { text: string; from: string }[] = [];
  socket.on('message', (data, rinfo) =>
    replies.push({ text: data.toString(), from: rinfo.address }),
  );
  for (const message of messages) {
    await new Promise((resolve) => socket.send(message, port, address, resolve));
  }
  serve();
  while (replies.length < messages.length) await once(socket, 'message');
  return replies;
}

/** Answers what is there with the request in upper case. */
function echo(socket: UdpBatchSocket, expected: number): void {
  for (let answered = 0; answered < expected; ) {
    const count = socket.receive();
    if (count === 0) throw new Error('no datagram within the timeout');
    for (let index = 0; index < count; index += 1) {
      const request = socket.requestBuffer(index).subarray(0, socket.requestLength(index));
      const reply = Buffer.from(Buffer.from(request).toString().toUpperCase());
      socket.replyBuffer(index).set(reply);
      socket.setReply(index, reply.length);
    }
    answered += socket.send();
  }
}

describe('UdpBatchSocket', () => {
  it('answers a batch, each reply to its own query', async () => {
    using socket = open(new Uint8Array([127, 0, 0, 1]));
    const replies = await ask('127.0.0.1', socket.port, ['one', 'two', 'three'], () =>
      echo(socket, 3),
    );
    expect(replies.map((reply) => reply.text)).toEqual(['ONE', 'TWO', 'THREE']);
  });

  it.each(['127.0.0.1', '127.9.9.9', '::1'])(
    'replies from %s when asked there',
    async (address) => {
      using socket = open(new Uint8Array(16));
      const replies = await ask(address, socket.port, ['hello'], () => echo(socket, 1));
      expect(replies).toEqual([{ text: 'HELLO', from: address }]);
    },
  );

  it('sends nothing for a reply of length 0', async () => {
    using socket = open(new Uint8Array([127, 0, 0, 1]));
    const replies = await ask('127.0.0.1', socket.port, ['hello'], () => {
      expect(socket.receive()).toBe(1);
      expect(socket.send()).toBe(0);
      client?.send('again', socket.port, '127.0.0.1', () => echo(socket, 1));
    });
    expect(replies.map((reply) => reply.text)).toEqual(['AGAIN']);
  });

  it('gives 0 when nothing comes before the timeout', () => {
    using socket = open(new Uint8Array([127, 0, 0, 1]), 0, 10);
    expect(socket.receive()).toBe(0);
    expect(socket.receive(false)).toBe(0);
  });

  it.each(['127.0.0.1', '127.9.9.9', '::1'])(
    'lets another sender reply to what came to %s, from there',
    async (address) => {
      using socket = open(new Uint8Array(16));
      const sender = new UdpReplySender(socket.fd, 512);
      const replies = await ask(address, socket.port, ['hello'], () => {
        expect(socket.receive()).toBe(1);
        const bytes = new Uint8Array(ORIGIN_BYTES + 7);
        socket.copyOrigin(0, bytes, 7);
        const origin = readOrigin(bytes.subarray(7));
        const expected = parseAddr(address).toBytes();
        expect(origin.local).toEqual(expected);
        expect(origin.client).toEqual(socket.clientAddress(0));
        expect(origin.client.length).toBe(expected.length);
        expect(origin.clientPort).toBe(client?.address().port);
        expect(sender.send(Buffer.from('late'), bytes.subarray(7))).toBe(true);
      });
      expect(replies).toEqual([{ text: 'late', from: address }]);
    },
  );

  it('shares a port with another socket, and takes an address that is not here yet', () => {
    using first = open(new Uint8Array([127, 0, 0, 1]));
    using second = open(new Uint8Array([127, 0, 0, 1]), first.port);
    expect(second.port).toBe(first.port);
    using absent = open(new Uint8Array([192, 0, 2, 1]));
    expect(absent.port).toBeGreaterThan(0);
  });

  it('says why a port can not be had', async () => {
    const other = createSocket('udp4').bind(0, '127.0.0.1');
    client = other;
    await once(other, 'listening');
    const { port } = other.address();
    const take = () => open(new Uint8Array([127, 0, 0, 1]), port);
    expect(take).toThrow(SysError);
    expect(take).toThrow(`bind(UDP port ${port}): EADDRINUSE`);
  });
});
