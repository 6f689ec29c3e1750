import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameSplitter, frame } from './frames.ts';

const cut = (stream: Uint8Array, at: readonly number[]): Uint8Array[] => {
  const places = [0, ...at.map((each) => each % (stream.length + 1)), stream.length];
  places.sort((a, b) => a - b);
  return places.slice(1).map((end, index) => stream.subarray(places[index], end));
};

describe('FrameSplitter', () => {
  it('gives the messages of a stream, wherever that is cut', () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 5 });
    fc.assert(
      fc.property(messages, fc.array(fc.nat(100)), (all, at) => {
        const splitter = new FrameSplitter();
        const chunks = cut(Buffer.concat(all.map(frame)), at);
        const given = chunks.flatMap((chunk) => [...splitter.push(chunk)]);
        expect(given.map((each) => [...each])).toEqual(all.map((each) => [...each]));
      }),
    );
  });

  it('refuses a message that is compressed, or too long, by its head alone', () => {
    const push = (head: string) => () => [...new FrameSplitter().push(Buffer.from(head, 'hex'))];
    expect(push('0100000001')).toThrow('a compressed message');
    expect(push('0004000001')).toThrow('a message of 67108865 bytes, at most 67108864 are read');
    expect(push('0004000000')()).toEqual([]);
  });
});
