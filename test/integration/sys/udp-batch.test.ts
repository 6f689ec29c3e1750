import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { SysError } from '../../../src/sys/errno.ts';
import { UdpBatchSocket } from '../../../src/sys/udp-batch.ts';

const open = (address: Uint8Array, port = 0): UdpBatchSocket =>
  UdpBatchSocket.open({
    address,
    port,
    batchMax: 8,
    datagramBytesMax: 512,
    replyBytesMax: 1232,
    receiveBufferBytes: 1 << 20,
    receiveTimeoutMs: 1000,
  });

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
    using socket = UdpBatchSocket.open({
      address: new Uint8Array([127, 0, 0, 1]),
      port: 0,
      batchMax: 1,
      datagramBytesMax: 512,
      replyBytesMax: 512,
      receiveBufferBytes: 65536,
      receiveTimeoutMs: 10,
    });
    expect(socket.receive()).toBe(0);
  });

  it('shares a port with another socket and names an address that is not here', () => {
    using first = open(new Uint8Array([127, 0, 0, 1]));
    using second = open(new Uint8Array([127, 0, 0, 1]), first.port);
    expect(second.port).toBe(first.port);
    expect(() => open(new Uint8Array([192, 0, 2, 1]))).toThrow(SysError);
    expect(() => open(new Uint8Array([192, 0, 2, 1]))).toThrow('bind(UDP port 0): EADDRNOTAVAIL');
  });
});
